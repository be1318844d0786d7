"""`python -m pipeline.cli` is `bigvocab`."""

from __future__ import annotations

from pipeline.cli.app import main

raise SystemExit(main())
