"""Results of the nodes: one line for each, and the report of the run."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.messages.redaction import redacted
from components.node import merged
from pipeline.config.differences import configuration
from pipeline.config.spec import Config
from pipeline.nodes import NODES
from pipeline.paths import Paths

if TYPE_CHECKING:
    from tfx.types import Artifact

    from components.report.summary import Summary
    from pipeline.execution.node import NodeFailed, Outcome


def described(outcome: Outcome) -> Outcome:
    """Return the outcome with the line that the node writes about its outputs."""
    node = next((node for node in NODES if node.name == outcome.node), None)
    return dataclasses.replace(outcome, detail=node.line(outcome.outputs)) if node else outcome


def write_report(
    config: Config,
    paths: Paths,
    outcomes: Sequence[Outcome],
    failure: NodeFailed | None,
    seconds: float,
    command: str = "",
) -> Summary:
    """Write `summary.json` and `report.html` from the artifacts of the nodes.

    Args:
        config: Configuration.
        paths: Paths under the root.
        outcomes: Outcomes of the nodes that completed.
        failure: Failure of a node; None if no node failed.
        seconds: Wall time of the run.
        command: Command that started the run; empty if no command did.

    Returns:
        The summary.
    """
    from components.metrics.own import own_metrics
    from components.report import html
    from components.report.summary import Summary
    from components.report.versions import installed_versions

    run = {outcome.node: outcome.outputs for outcome in outcomes}
    nodes = [
        {
            "name": o.node,
            "seconds": round(o.seconds, 3),
            "cpu_seconds": None if o.cpu_seconds is None else round(o.cpu_seconds, 2),
            "peak_bytes": o.peak_bytes,
            "cached": o.cached,
            "state": "cached" if o.cached else "complete",
            "detail": o.detail,
        }
        for o in outcomes
    ]
    if failure:
        nodes.append({"name": failure.node, "seconds": failure.seconds, "cached": False, "state": "failed"})
    parts: dict[str, Any] = {}
    for node in NODES:
        if node.name in run:
            parts = merged(parts, node.summary(run))
    summary = Summary.model_validate(
        {
            **parts,
            "name": config.name,
            "finished": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "seconds": round(seconds, 1),
            "band_limits": config.evaluation.bands.model_dump(),
            "own_metrics": [metric.column for metric in own_metrics(config.evaluation.metrics)],
            "nodes": nodes,
            "versions": installed_versions(),
            "command": redacted(command),
            "configuration": configuration(config),
            "lineage": _lineage(outcomes, paths.root),
            "failure": {"node": failure.node, "message": str(failure)} if failure else None,
        }
    )
    summary.write(f"{paths.report}/summary.json")
    html.write(summary, f"{paths.report}/report.html", [section for node in NODES for section in node.sections])
    return summary


def _lineage(outcomes: Sequence[Outcome], root: str) -> list[dict[str, Any]]:
    """Return the executions with their artifacts, as the section `lineage` of a summary."""

    def artifacts(by_key: Mapping[str, Sequence[Artifact]]) -> list[dict[str, Any]]:
        return [
            {"key": key, "id": artifact.id, "type": artifact.type_name, "uri": artifact.uri.removeprefix(f"{root}/")}
            for key, of in by_key.items()
            for artifact in of
        ]

    return [
        {
            "node": o.node,
            "execution": o.execution,
            "cached": o.cached,
            "inputs": artifacts(o.inputs),
            "outputs": artifacts(o.outputs),
        }
        for o in outcomes
    ]
