"""A Python worker for engines that are not Python: what `bigvocab beam-workers` starts.

TFX has to be loaded before what it is made of: without it `tensorflow_data_validation` finds a module missing.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence

SCRIPT = "bigvocab-beam-worker"


def main(argv: Sequence[str] | None = None) -> None:
    """One worker: does what the engine asks until it is told to end."""
    parser = argparse.ArgumentParser(prog=SCRIPT)
    parser.add_argument("--id", required=True)
    parser.add_argument("--control_endpoint", required=True)
    told, _ = parser.parse_known_args(argv)
    # Nobody reads what the pool has put in standard output's place: a worker that prints would stop when it is full.
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING)
    import tfx  # noqa: F401  before all that it is made of

    from components.compat.beam import work

    work(told.control_endpoint, told.id, _CACHE)


# Bytes of side inputs and the like that a worker keeps between two bundles.
_CACHE = 100 << 20
