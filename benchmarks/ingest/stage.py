"""Workload of `bigvocab bench ingest`: one node of a pipeline."""

from __future__ import annotations

import gc
import io
import os

from benchmarks.harness.timing import Spent, Stopwatch
from pipeline.cli.app import NEW_OBJECTS
from pipeline.config.loading import load
from pipeline.paths import Paths
from pipeline.terminal.console import Console

TARGET = "benchmarks.ingest.stage:Stage"
_RUN = "bench"
_BEFORE = {"Transform": ("RollingRange", "ImportSchemaGen", "ExampleValidator", "Defaults", "AnalyzerCache")}


class Stage:
    """Workload that runs a node like `bigvocab run`.

    Args:
        configuration: Path of the configuration file.
        root: Root folder of the run.
        threads: Size of the libraries' own thread pools. Unused here, since the environment variables set the size.
    """

    def __init__(self, configuration: str, root: str, threads: int) -> None:
        from pipeline import dag
        from pipeline.execution import node, spans

        gc.set_threshold(NEW_OBJECTS)
        self._config, self._paths = load(configuration), Paths.of(root)
        self._paths.prepare()
        self._spans = spans.plan(self._config.data)
        self._run_id = f"{_RUN}-{len(self._spans)}"
        self._ir = node.compiled(dag.build(self._config, self._paths, self._spans), self._run_id)
        self._node = ""

    def prepare(self, node: str) -> None:
        """Run the nodes between the previously measured node and this one.

        For ExampleGen on data in spans, ingest all spans but the newest.
        """
        from pipeline.execution import spans
        from pipeline.execution.interruption import interruptible

        if node == "ExampleGen":
            unseen = Console(io.StringIO())
            with interruptible() as interruption:
                spans.ingest_earlier(self._config, self._paths, self._spans, self._run_id, unseen, interruption)
        there = {n.pipeline_node.node_info.id for n in self._ir.nodes}
        for earlier in _BEFORE.get(node, ()):
            if earlier in there:
                self._run(earlier)
        self._node = node

    def turn(self, steps: int) -> Spent:
        """Run the node. CPU time includes that of child processes."""
        watch, before = Stopwatch(), _children()
        self._run(self._node)
        spent = watch.spent(steps)
        return Spent(steps, spent.cpu + _children() - before, spent.wall)

    def _run(self, name: str) -> None:
        from pipeline.execution.node import run_node

        run_node(self._ir, next(n.pipeline_node for n in self._ir.nodes if n.pipeline_node.node_info.id == name))


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system
