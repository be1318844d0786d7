"""Commands of `bigvocab` in separate processes, forked from one that has imported TensorFlow and TFX.

The imports of a command take about 7 seconds of CPU time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import hosts
from tests.forks import Fork, ForkServer

# Modules that the nodes load. TensorFlow is only loaded, not used, because its threads do not survive a fork.
MODULES = (
    "pipeline.dag",
    "pipeline.execution.node",
    "pipeline.execution.pod",
    "pipeline.execution.results",
    "pipeline.execution.runner",
    "components.baselines.executor",
    "components.compat.tfdv",
    "components.compat.tfma",
    "components.data_validation.statistics_gen",
    "components.data_validation.validator",
    "components.evaluation.component",
    "components.evaluation.results",
    "components.inference.component",
    "components.infra_validation.executor",
    "components.ingest.executor",
    "components.preprocessing.executor",
    "components.pushing.executor",
    "components.report.html",
    "components.training.run",
    "tfx.components.trainer.component",
    "tfx.components.transform.component",
    "loky",
    "setuptools",
    "tests.pipeline.trials",
    "tests.pipeline.warm",
    "tensorboard.summary.v2",
)


def run(
    forks: ForkServer,
    arguments: Sequence[str],
    out: Path,
    err: Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    host: hosts.Host | None = None,
) -> int:
    """Run `python -m pipeline.cli ARGUMENTS` to its end.

    Args:
        forks: Server that forks the process.
        arguments: Arguments of the command.
        out: File to which standard output is appended.
        err: File to which standard error is appended.
        folder: Working directory.
        environment: Variables for the process, beside the environment of this process.
        host: Host of the test on which the process runs. None: this machine.

    Returns:
        The exit code.
    """
    moved = [host.namespace, host.address, [_main.__module__, _main.__name__]] if host else []
    function = hosts.call if host else _main
    job = forks.start(
        function, *moved, [*arguments], out=out, err=err, folder=folder, environment=environment, modules=MODULES
    )
    return job.result()


def start(forks: ForkServer, arguments: Sequence[str], err: Path, folder: Path) -> Fork:
    """Start `python -m pipeline.cli ARGUMENTS`, with a pipe for its standard output.

    Args:
        forks: Server that forks the process.
        arguments: Arguments of the command.
        err: File to which standard error is appended.
        folder: Working directory.
    """
    return forks.popen(_main, [*arguments], err=err, folder=folder, modules=MODULES)


def run_copy(arguments: list[str]) -> int:
    """Run `python -m pipeline.cli ARGUMENTS` with the package `pipeline` of the working directory. A job for a fork.

    `components` stays that of this process.
    """
    for name in [name for name in sys.modules if name.split(".")[0] == "pipeline"]:
        del sys.modules[name]
    return _main(arguments)


def _main(arguments: list[str]) -> int:
    # As under `python -m`.
    sys.argv = ["bigvocab", *arguments]
    sys.path[:0] = [str(Path.cwd()), *os.environ["PYTHONPATH"].split(os.pathsep)]
    from components.ingest import executor
    from pipeline.cli import main

    # Processes that read the default corpus import for longer than they read. Tests of the executor start them.
    executor.ENOUGH_FOR_PROCESSES = 1 << 30
    if arguments[:1] == ["run"] or arguments[:2] == ["run-node", "InfraValidator"]:
        from tests.pipeline.trials import fork_trials

        fork_trials()
    return main(arguments)
