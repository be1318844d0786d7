"""The spans of a run: which they are, and how the older ones are ingested before the newest."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from components.ingest.errors import IngestError
from components.ingest.spans import has_spans, name_of, spans_there, spans_up_to
from components.ingest.spec import DataSpec
from pipeline.config.loading import ConfigurationError
from pipeline.config.spec import Config
from pipeline.nodes import named
from pipeline.paths import Paths
from pipeline.terminal.console import Console

if TYPE_CHECKING:
    from pipeline.execution.interruption import Interruption
    from pipeline.execution.node import NodeFailed


def plan(data: DataSpec) -> list[int]:
    """The spans up to the newest of a run, the oldest first; empty where the source has none.

    Raises:
        ConfigurationError: the newest one that is asked for is not there, or there is none at all.
    """
    if not has_spans(data.source):
        return []
    try:
        return spans_up_to(data.span, data.source, spans_there(data.source, Path()))
    except IngestError as error:
        raise ConfigurationError(str(error)) from error


def window(data: DataSpec, spans: list[int]) -> list[int]:
    """Of the spans of `plan` those that train together."""
    return spans[-(data.window or 0) :]


def ingest_earlier(
    config: Config, paths: Paths, spans: list[int], run_id: str, console: Console, interruption: Interruption
) -> NodeFailed | None:
    """Ingests what else is in the newest one's window, each in a run of its own; what was ingested before is cached.

    Args:
        config: has spans.
        paths: where everything lies.
        spans: of `plan`; the last one is left to the run itself.
        run_id: of that run.
        console: gets a line for each span.
        interruption: of the run.

    Returns:
        What failed; the spans after it were not tried.

    Raises:
        KeyboardInterrupt: the run is to end. Spans that are complete stay so.
    """
    from pipeline import dag
    from pipeline.execution.node import NodeFailed
    from pipeline.execution.walk import walk

    for span in window(config.data, spans)[:-1]:
        name = f"span {name_of(config.data.source, span)}"
        console.started(name)
        unseen = Console(io.StringIO())
        outcomes, failure = walk(
            dag.build(config, paths, spans[: spans.index(span) + 1], steps=("rows", "span")),
            f"{run_id}_span-{span}",
            unseen,
            interruption,
        )
        if failure:
            console.failed(name)
            return NodeFailed(failure.node, f"{name}: {failure}", failure.seconds)
        cached = all(outcome.cached for outcome in outcomes if named(outcome.node).step == "rows")
        console.finished(
            name, sum(outcome.seconds for outcome in outcomes), cached, outcomes[0].detail.removeprefix(f"{name}, ")
        )
    return None
