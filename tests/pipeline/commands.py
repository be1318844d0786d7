"""Runs commands of `bigvocab` in processes that are forked from one that has imported TensorFlow and TFX.

A command takes half a minute if it imports everything; its fork takes seconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.forks import ForkServer

# What the nodes load. TensorFlow is only loaded, not used: its threads would not survive a fork.
_MODULES = (
    "components.training.run",
    "pipeline.dag",
    "pipeline.execution.node",
    "pipeline.execution.pod",
    "pipeline.execution.results",
    "pipeline.execution.runner",
    "components.report.html",
    "loky",
    "setuptools",
    "tensorboard.summary.v2",
)


def run(
    forks: ForkServer,
    arguments: Sequence[str],
    out: Path,
    err: Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run `python -m pipeline.cli ARGUMENTS` to its end.

    Args:
        forks: the server that forks the process.
        arguments: of the command.
        out: file to which standard output is appended.
        err: file to which standard error is appended.
        folder: working directory.
        environment: added to the environment of this process.

    Returns:
        The exit code.
    """
    job = forks.start(_main, [*arguments], out=out, err=err, folder=folder, environment=environment, modules=_MODULES)
    return job.result()


def _main(arguments: list[str]) -> int:
    # As `python -m` has them.
    sys.argv = ["bigvocab", *arguments]
    sys.path[:0] = [str(Path.cwd()), *os.environ["PYTHONPATH"].split(os.pathsep)]
    from pipeline.cli import main

    return main(arguments)
