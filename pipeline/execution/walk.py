"""Execution of the nodes of a pipeline, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.execution.interruption import Interruption
from pipeline.terminal.console import Console

if TYPE_CHECKING:
    from components.compat.tfx.v1 import v1 as tfx
    from pipeline.execution.node import NodeFailed, Outcome


def walk(
    pipeline: tfx.dsl.Pipeline,
    run_id: str,
    console: Console,
    interruption: Interruption,
    needs: Mapping[str, int] | None = None,
) -> tuple[list[Outcome], NodeFailed | None]:
    """Run the nodes in order, up to the first failure.

    Args:
        pipeline: Pipeline to run.
        run_id: Id of the run.
        console: Console that shows a line for each node.
        interruption: Record of an interruption of the run.
        needs: Estimated disk space of the nodes in bytes, by node, for the message about a full disk.

    Returns:
        The outcomes of the complete nodes, and the failure or None.

    Raises:
        KeyboardInterrupt: The end of the run was requested.
    """
    from pipeline.execution import results
    from pipeline.execution.node import NodeFailed, compiled, run_node, whole_run

    ir = compiled(pipeline, run_id)
    outcomes: list[Outcome] = []
    with whole_run(ir) as complete:
        for node in (entry.pipeline_node for entry in ir.nodes):
            console.started(node.node_info.id)
            try:
                outcome = run_node(ir, node, needed=(needs or {}).get(node.node_info.id, 0))
            except NodeFailed as failure:
                interruption.check()  # Beam raises a RuntimeError in place of KeyboardInterrupt.
                logging.getLogger(__name__).exception("%s failed", failure.node)
                console.failed(failure.node, failure.seconds)
                return outcomes, failure
            outcome = results.described(outcome)
            outcomes.append(outcome)
            console.finished(
                outcome.node, outcome.seconds, outcome.cached, outcome.detail, outcome.cpu_seconds, outcome.peak_bytes
            )
            interruption.check()
        complete()
    return outcomes, None
