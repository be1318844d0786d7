"""The command line."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `bigvocab` with these arguments, or with those of the process, and return the exit code."""
    from pipeline.cli import app

    return app.main(argv)
