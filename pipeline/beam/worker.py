"""Python worker for Beam engines that are not written in Python. `bigvocab beam-workers` starts it.

TFX must be imported before its own dependencies: otherwise `tensorflow_data_validation` finds a module missing.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence

SCRIPT = "bigvocab-beam-worker"


def main(argv: Sequence[str] | None = None) -> None:
    """Run one worker, which serves an engine until the engine ends it.

    Args:
        argv: Arguments. None: the arguments of the process.
    """
    parser = argparse.ArgumentParser(prog=SCRIPT)
    parser.add_argument("--id", required=True)
    parser.add_argument("--control_endpoint", required=True)
    known, _ = parser.parse_known_args(argv)
    # The pool replaces standard output with a pipe that nobody reads. A worker that prints would block once the pipe is
    # full.
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING)
    import tfx  # noqa: F401  must precede its dependencies

    from components.compat.beam import work

    work(known.control_endpoint, known.id, _CACHE)


# Bytes of side inputs and other state that a worker caches between two bundles.
_CACHE = 100 << 20
