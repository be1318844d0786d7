"""Runs a whole pipeline in this process, a node at a time."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Config
from pipeline.console import Console, everything_into
from pipeline.paths import Paths

if TYPE_CHECKING:
    from tfx import v1 as tfx

    from pipeline.node import NodeFailed, Outcome

FAILED = 1
INTERRUPTED = 130


class RootInUse(Exception):
    """Another run is at work under the same root."""


@contextlib.contextmanager
def only_run(root: Path) -> Iterator[None]:
    """Holds the root for this process.

    Raises:
        RootInUse: another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise RootInUse(f"{root} is in use by process {file.read().strip() or '?'}: wait, or take --root") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def run(config: Config, root: Path) -> int:
    """Runs the pipeline and writes the report.

    Returns:
        The exit code: 0; 1 when a node failed; 130 when interrupted.

    Raises:
        ConfigurationError: before anything runs.
        RootInUse: another run is at work there.
    """
    paths = Paths(root.resolve())
    with session(config, paths) as (console, run_id, log):
        started = time.monotonic()
        from pipeline import dag, results, show

        outcomes, failure = walk(dag.build(config, paths), run_id, console)
        summary = results.write_report(config, paths, outcomes, failure, time.monotonic() - started)
        console.line()
        if failure:
            console.line(f"{failure.node} failed. {failure}")
            console.line(f"All that was logged: {log}")
            console.line(f"Nothing before {failure.node} is lost: the same command goes on there.")
            return FAILED
        for line in show.closing_lines(summary, paths):
            console.line(line)
    return 0


@contextlib.contextmanager
def session(config: Config, paths: Paths) -> Iterator[tuple[Console, str, Path]]:
    """Holds the root, sends logs to a file, and sets up the devices before anything can use them.

    Yields:
        The console, the run's id and its log file.

    Raises:
        RootInUse: another run is at work there.
    """
    with only_run(paths.root):
        paths.prepare()
        run_id = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S.%f")[:-3]
        log = paths.logs / f"{run_id}.log"
        with everything_into(log) as terminal, _terminable():
            console = Console(terminal)
            console.line(f"BigVocab {config.name} -> {paths.root}")
            # Fixed by the first use of TensorFlow; Transform uses it before the Trainer does.
            from components.trainer import progress, strategy

            strategy.configure_devices(config.trainer.replicas)
            progress.set_stream(terminal)
            try:
                yield console, run_id, log
            except KeyboardInterrupt:
                console.line()
                console.line("Interrupted: what is done is kept, and the same command goes on from here.")
                raise SystemExit(INTERRUPTED) from None


def walk(pipeline: tfx.dsl.Pipeline, run_id: str, console: Console) -> tuple[list[Outcome], NodeFailed | None]:
    """Runs the nodes in order, up to the first that fails."""
    from tfx.dsl.compiler import compiler
    from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
    from tfx.orchestration.portable import runtime_parameter_utils

    from pipeline import results
    from pipeline.node import NodeFailed, run_node

    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(ir, {PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    outcomes: list[Outcome] = []
    for node in (entry.pipeline_node for entry in ir.nodes):
        console.started(node.node_info.id)
        try:
            outcome = run_node(ir, node)
        except NodeFailed as failure:
            logging.getLogger(__name__).exception("%s failed", failure.node)
            console.failed(failure.node)
            return outcomes, failure
        outcomes.append(outcome)
        console.finished(outcome.node, outcome.seconds, outcome.cached, results.describe(outcome))
    return outcomes, None


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Takes a request to end, as a cluster or a service manager sends it, for an interruption."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
