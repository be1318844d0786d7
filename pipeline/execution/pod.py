"""Execution of one node in a pod.

The pods of a run share its root and metadata store. They run nodes by the same function as a run on one machine.

On a shared file system, a pod holds the lease of its node under the root, and waits for a pod of another run that holds
it. Nodes of one run may therefore work at once, and two runs take turns at each node. The second run then takes the
results of the first one from the cache, or resumes its training. An object store has no links, and so no leases: there,
each execution has folders of its own, also for checkpoints, and a model server sees only complete versions.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from components.files import is_remote, write_whole
from components.messages.exit_codes import FAILED, INTERRUPTED
from components.messages.formatting import printable
from components.messages.redaction import redacted
from components.messages.spelling import did_you_mean
from components.storage import storage_fault
from pipeline.config.spec import Config
from pipeline.execution.interruption import Interruption, interruptible
from pipeline.lease.acquisition import holding
from pipeline.lease.lease import LeaseLost
from pipeline.nodes import NODES, REPORT, named, node_names
from pipeline.paths import Paths
from pipeline.terminal.console import Console

if TYPE_CHECKING:
    from tfx.proto.orchestration import pipeline_pb2

    from components.report.summary import Summary
    from pipeline.execution.node import NodeFailed, Outcome

TERMINATION_LOG = Path("/dev/termination-log")
"""Kubernetes shows the contents of this file as the reason that the pod ended."""


class PodError(Exception):
    """Request to run an unknown node."""


@dataclass(frozen=True)
class Pod:
    """One node of one run.

    Attributes:
        node: Id of the node, or `Report`.
        config: Configuration, the same in all pods of the run.
        root: Root that all pods share: a folder, or a path of `gs://`.
        run_id: Id of the run, the same in all its pods and different in every other run.
        run_name: Display name of the run.
        schema: Text of the schema file, for pods that cannot read the file. Empty for pods that can, or need none.
        workers: Number of pods that train together.
        worker: Index of this pod among them. 0 is the chief.
        address: Address of this machine for the other workers. None: the address that its host name resolves to.
        rendezvous_timeout: Seconds that workers wait for each other.
    """

    node: str
    config: Config
    root: str
    run_id: str
    run_name: str = ""
    schema: str = ""
    workers: int = 1
    worker: int = 0
    address: str | None = None
    rendezvous_timeout: float = 1_800.0


def run(pod: Pod, out: TextIO) -> int:
    """Run the node and write its result, or the cause of its failure.

    Args:
        pod: Node to run.
        out: Stream for progress and results.

    Returns:
        The exit code: 0 if the node completed; 1 if it failed, or if the metadata store or the shared storage cannot
        be used; 130 if it was interrupted.

    Raises:
        PodError: The pipeline has no such node.
    """
    names = node_names(pod.config)
    if pod.node not in names:
        raise PodError(f"unknown node: {pod.node}{did_you_mean(pod.node, names)} (the nodes are: {', '.join(names)})")
    console = Console(out)
    try:
        # A cluster that reclaims a machine sends SIGTERM, here an exception, so that open resources are closed.
        with interruptible() as interruption:
            return _run(pod, console, interruption)
    except KeyboardInterrupt:
        console.line(f"{pod.node} was interrupted: the next try resumes where it stopped.")
        return INTERRUPTED
    except (Exception, LeaseLost) as error:  # Any error: its cause is reported before its traceback.
        return _failed(pod.node, error, console, pod.root)


def _run(pod: Pod, console: Console, interruption: Interruption) -> int:
    paths = Paths.of(pod.root)
    from components.messages import progress

    progress.set_terminal(console)
    try:
        with _lease(pod, paths, console):
            paths.prepare()
            config = _with_schema(pod.config, pod.schema, paths)
            return _run_step(pod, config, paths, console, interruption)
    finally:
        progress.set_terminal(None)


def _lease(pod: Pod, paths: Paths, console: Console) -> contextlib.AbstractContextManager[Any]:
    """Return a context that holds the lease of the node. Workers that follow another pod write no shared files."""
    if is_remote(paths.root) or pod.worker:
        return contextlib.nullcontext()
    return holding(
        Path(paths.root), pod.node, f"bigvocab run-node {pod.node}", pod.run_id, wait=True, notice=console.line
    )


def _run_step(pod: Pod, config: Config, paths: Paths, console: Console, interruption: Interruption) -> int:
    from pipeline import dag
    from pipeline.execution import spans
    from pipeline.execution.node import compiled, connection
    from pipeline.metadata import store

    node = None if pod.node == REPORT else named(pod.node)
    if node:
        node.prepare(config)
    # Nodes that do not look up the spans read the artifacts of earlier nodes from the metadata store.
    planned = spans.plan(config.data) if node and node.looks_up_spans else []
    # Later steps are left out, because building their nodes would import their code, which takes time and memory.
    steps = dag.up_to(node.step) if node else dag.ALL
    ir = compiled(dag.build(config, paths, planned, steps), pod.run_id)
    console.line(f"BigVocab {config.name}, run {pod.run_id} -> {paths.root}, {store.describe(connection(ir))}")
    if node is None:
        return _report(pod, config, paths, ir, console)
    if node.accelerated and pod.workers > 1:
        return _run_together(pod, config, paths, ir, console)
    if node is NODES[0]:
        failure = spans.ingest_earlier(config, paths, planned, pod.run_id, console, interruption)
        if failure:
            return _failed(failure.node, failure, console)
    return _run_one(pod, config, paths, ir, console)


def _run_one(pod: Pod, config: Config, paths: Paths, ir: pipeline_pb2.Pipeline, console: Console) -> int:
    from pipeline import dag
    from pipeline.execution import results, space
    from pipeline.execution.node import NodeFailed, compiled, not_in_the_way, opened, run_node
    from pipeline.metadata import record

    node = next(n.pipeline_node for n in ir.nodes if n.pipeline_node.node_info.id == pod.node)
    needed = space.forecast(config).needs.get(pod.node, 0)
    try:
        outcome = run_node(ir, node, pod.run_name, needed)
    except NodeFailed as failure:
        with not_in_the_way():  # No task runs after a failed task, so the report is written here.
            try:
                # Nodes of later steps may have completed before this one failed.
                _report_on(config, paths, compiled(dag.build(config, paths), pod.run_id), failure)
            except Exception:  # The outputs of earlier nodes may be unreadable, perhaps the cause of the failure.
                results.write_report(config, paths, [], failure, failure.seconds)
                raise
        return _failed(failure.node, failure, console)
    if outcome.execution is not None and outcome.cpu_seconds is not None and not outcome.cached:
        with not_in_the_way(), opened(ir) as handle:
            record.note_usage(handle, outcome.execution, outcome.cpu_seconds, outcome.peak_bytes)
    outcome = results.described(outcome)
    console.finished(outcome.node, outcome.seconds, outcome.cached, outcome.detail)
    return 0


def _run_together(pod: Pod, config: Config, paths: Paths, ir: pipeline_pb2.Pipeline, console: Console) -> int:
    """Run the node in the chief's pod; in the other pods, train with the chief."""
    folder = f"{paths.workers}/{pod.run_id}"
    workers = named(pod.node).workers(folder, pod.workers, pod.rendezvous_timeout, pod.address)
    if pod.worker:
        console.line(f"  worker {pod.worker} of {pod.workers} waits for the chief")
        workers.follow(pod.worker)
        return 0
    return workers.lead(lambda: _run_one(pod, config, paths, ir, console))


def _report(pod: Pod, config: Config, paths: Paths, ir: pipeline_pb2.Pipeline, console: Console) -> int:
    """Write the report of the run from the metadata store, print the results, and return the exit code."""
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    from pipeline.execution import cleaning
    from pipeline.execution.node import opened
    from pipeline.metadata import record
    from pipeline.terminal import show

    summary, outcomes, failure = _report_on(config, paths, ir)
    if not failure:
        with opened(ir) as handle:
            record.mark_run(handle, ir, mlmd.Execution.COMPLETE)
    for outcome in outcomes:
        console.finished(outcome.node, outcome.seconds, outcome.cached, outcome.detail)
    console.line()
    console.write(show.closing(summary, paths))
    if failure:
        return _failed(failure.node, failure, console)
    cleaning.after_run(config, paths, console)
    return 0


def _report_on(
    config: Config, paths: Paths, ir: pipeline_pb2.Pipeline, failure: NodeFailed | None = None
) -> tuple[Summary, list[Outcome], NodeFailed | None]:
    """Write the report of the run from the metadata store.

    Args:
        config: Configuration.
        paths: Paths under the root.
        ir: Intermediate representation of the pipeline, with the run id substituted.
        failure: Known failure. None: the first node in the metadata store that is not complete, if any.

    Returns:
        The summary, the outcomes of the complete nodes, and the failure if any.
    """
    from pipeline.execution import results
    from pipeline.execution.node import NodeFailed, Outcome, opened
    from pipeline.metadata import record

    outcomes: list[Outcome] = []
    with opened(ir) as handle:
        for node in record.node_records(handle, ir):
            if node.state in ("complete", "cached"):
                outcome = Outcome(
                    node.node, node.seconds, node.state == "cached", node.outputs,
                    cpu_seconds=node.cpu_seconds, peak_bytes=node.peak_bytes,
                    execution=node.execution, inputs=node.inputs,
                )  # fmt: skip
                outcomes.append(results.described(outcome))
            else:
                failure = failure or NodeFailed(node.node, node.cause or node.state, node.seconds)
        seconds = time.time() - record.started(handle, ir)
    return results.write_report(config, paths, outcomes, failure, seconds), outcomes, failure


def _failed(node: str, failure: BaseException, console: Console, root: str = "") -> int:
    """Report a failure and return the exit code.

    Writes one line with the cause to standard error and to the termination log, then the traceback to standard error.
    """
    for_users = hasattr(failure, "node") or isinstance(failure, LeaseLost)
    fault = None if for_users else storage_fault(failure, root)
    cause = str(failure) if for_users else str(fault or f"{type(failure).__name__}: {failure}")
    line = redacted(f"{node} failed. {cause}")
    console.status(None)
    sys.stderr.write(printable(line, "\n") + "\n\n")
    sys.stderr.write(redacted("".join(traceback.format_exception(failure))))
    if TERMINATION_LOG.exists():
        with contextlib.suppress(OSError):  # The disk of the Kubernetes node may be full too.
            TERMINATION_LOG.write_text(line[:4096], encoding="utf-8")
    return FAILED


def _with_schema(config: Config, schema: str, paths: Paths) -> Config:
    """Write the schema to a file below the root and return a configuration that names the file.

    The file is named after a hash of its contents, because its path is part of the cache key. An empty schema leaves
    the configuration as it is.
    """
    if not schema:
        return config
    file = f"{paths.schemas}/{hashlib.sha256(schema.encode()).hexdigest()[:16]}.pbtxt"
    write_whole(file, schema)
    data = config.data.model_copy(update={"schema_file": file})
    return config.model_copy(update={"data": data})
