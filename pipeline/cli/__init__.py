"""Command line of BigVocab."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `bigvocab` and return the exit code.

    Args:
        argv: Arguments of the command. None: the arguments of the process.
    """
    from pipeline.cli import app

    return app.main(argv)
