"""Entry point of `python -m pipeline.cli`, which is equivalent to `bigvocab`."""

from __future__ import annotations

from pipeline.cli.app import main

raise SystemExit(main())
