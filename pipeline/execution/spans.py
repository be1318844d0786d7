"""Spans of a run: their selection, and the ingestion of the earlier spans of the rolling range."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.ingest.errors import IngestError
from components.ingest.spans.listing import has_spans, name_of, spans_there, spans_up_to
from components.ingest.spec import DataSpec
from pipeline.config.errors import ConfigurationError
from pipeline.config.spec import Config
from pipeline.nodes import named
from pipeline.paths import Paths
from pipeline.terminal.console import Console

if TYPE_CHECKING:
    from pipeline.execution.interruption import Interruption
    from pipeline.execution.node import NodeFailed


def plan(data: DataSpec) -> list[int]:
    """Return the spans up to the newest span of the run, oldest first. Empty if the source has no spans.

    Raises:
        ConfigurationError: The requested newest span does not exist, or the source has no files of any span.
    """
    if not has_spans(data.source):
        return []
    try:
        return spans_up_to(data.span, data.source, spans_there(data.source, Path()))
    except IngestError as error:
        raise ConfigurationError(str(error)) from error


def rolling_range(data: DataSpec, spans: list[int]) -> list[int]:
    """Return the spans of the rolling range: the newest `data.num_spans` spans, or all spans if that is None.

    Args:
        data: Data spec.
        spans: Spans returned by `plan`.
    """
    return spans[-(data.num_spans or 0) :]


def ingest_earlier(
    config: Config,
    paths: Paths,
    spans: list[int],
    run_id: str,
    console: Console,
    interruption: Interruption,
    needs: Mapping[str, int] | None = None,
) -> NodeFailed | None:
    """Ingest all spans of the rolling range but the newest, each in a run of its own.

    Spans that an earlier run has ingested are cached.

    Args:
        config: Configuration.
        paths: Paths under the root.
        spans: Spans returned by `plan`. The main run ingests the last one.
        run_id: Id of the main run.
        console: Console that shows a line for each span.
        interruption: Record of an interruption of the main run.
        needs: Estimated disk space of the nodes in bytes, by node.

    Returns:
        The first failure, after which no further span is tried; None if all spans are complete.

    Raises:
        KeyboardInterrupt: The end of the run was requested. Complete spans stay complete.
    """
    from pipeline import dag
    from pipeline.execution.node import NodeFailed
    from pipeline.execution.walk import walk
    from pipeline.metadata.record import span_run

    for span in rolling_range(config.data, spans)[:-1]:
        name = f"span {name_of(config.data.source, span)}"
        console.started(name)
        unseen = Console(io.StringIO())
        outcomes, failure = walk(
            dag.build(config, paths, spans[: spans.index(span) + 1], steps=("rows", "span")),
            span_run(run_id, span),
            unseen,
            interruption,
            needs,
        )
        if failure:
            console.failed(name, failure.seconds)
            return NodeFailed(failure.node, f"{name}: {failure}", failure.seconds)
        cached = all(outcome.cached for outcome in outcomes if named(outcome.node).step == "rows")
        console.finished(
            name, sum(outcome.seconds for outcome in outcomes), cached, outcomes[0].detail.removeprefix(f"{name}, ")
        )
    return None
