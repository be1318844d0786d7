"""Resolver of the rolling range, which consists of the newest spans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.components.example_gen.utils import SPAN_PROPERTY_NAME
from tfx.dsl.components.common import resolver
from tfx.types import standard_component_specs as keys

Event, Execution = metadata_store_pb2.Event, metadata_store_pb2.Execution
_DONE = (Execution.COMPLETE, Execution.CACHED)
OUTPUTS = (Event.OUTPUT, Event.DECLARED_OUTPUT)
INPUTS = (Event.INPUT, Event.DECLARED_INPUT)
_Key = TypeVar("_Key")


class RollingRange(resolver.ResolverStrategy):
    """Resolver strategy that selects the newest spans up to the span of this run.

    The strategy selects each span once: the most recent ingestion with the configuration of this run. TFX's
    `SpanRangeStrategy` selects every artifact of a span. A span that was ingested twice would count twice, even with
    different tokenizers. TFX's range also always ends with the newest of all spans.

    Only spans with files count. A decade without speeches is not a span.

    Example:
        >>> spans = Resolver(
        ...     strategy_class=RollingRange,
        ...     config={"num_spans": 8, "there": [1, 2, 3]},
        ...     newest=example_gen.outputs["examples"],
        ...     examples=Channel(type=standard_artifacts.Examples),
        ...     statistics=Channel(type=standard_artifacts.ExampleStatistics),
        ... )
        >>> spans.outputs["examples"], spans.outputs["statistics"]
    """

    def __init__(self, num_spans: int = 0, there: Sequence[int] = ()) -> None:
        """Initialize the strategy.

        Args:
            num_spans: Maximum number of spans. 0: all spans.
            there: Spans that exist in the source, so that spans removed from the source are left out. Empty: all spans
                that were ingested.
        """
        self._num_spans = num_spans
        self._there = set(there)

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Return `examples` and `statistics`, one artifact of each per span, the oldest first; None without `newest`.

        Args:
            store: Metadata store, which records the configuration of each artifact.
            input_dict: `newest`, the examples of this run; `examples` and `statistics`, all such artifacts of the
                pipeline, including those of Transform and other nodes.
        """
        if not input_dict["newest"]:
            return None
        newest = input_dict["newest"][0]
        made = list(makers(store, [*input_dict["examples"], newest]))
        configuration = _configuration(last(made, lambda artifact: artifact.id)[newest.id][0])
        same = [pair for pair in made if _configuration(pair[0]) == configuration]
        by_span = {span: artifact for span, (_, artifact) in last(same, span_of).items()}
        by_span[span_of(newest)] = newest
        spans = [by_span[span] for span in sorted(by_span) if self._counts(span, span_of(newest))][-self._num_spans :]
        statistics = _by_examples(store, input_dict["statistics"])
        return {
            **input_dict,
            "examples": spans,
            "statistics": [statistics[examples.id] for examples in spans if examples.id in statistics],
        }

    def _counts(self, span: int, newest: int) -> bool:
        return span == newest or (span < newest and (not self._there or span in self._there))


def span_of(examples: types.Artifact) -> int:
    """Return the number of the span that examples were made from."""
    return examples.get_int_custom_property(SPAN_PROPERTY_NAME)


def makers(
    store: mlmd.MetadataStore, artifacts: Sequence[types.Artifact]
) -> Iterator[tuple[metadata_store_pb2.Execution, types.Artifact]]:
    """Yield pairs of an execution and the artifact that it wrote or reused from the cache."""
    by_id = {artifact.id: artifact for artifact in artifacts}
    events = [event for event in store.get_events_by_artifact_ids(list(by_id)) if event.type in OUTPUTS]
    executions = {e.id: e for e in store.get_executions_by_id(sorted({event.execution_id for event in events}))}
    for event in events:
        execution = executions[event.execution_id]
        if execution.last_known_state in _DONE:
            yield execution, by_id[event.artifact_id]


def last(
    made: Iterable[tuple[metadata_store_pb2.Execution, types.Artifact]], key: Callable[[types.Artifact], _Key]
) -> dict[_Key, tuple[metadata_store_pb2.Execution, types.Artifact]]:
    """Return the most recent execution of each key and its artifact, even if it reused an older cached artifact."""
    return {key(artifact): (execution, artifact) for execution, artifact in sorted(made, key=lambda pair: pair[0].id)}


def _configuration(execution: metadata_store_pb2.Execution) -> str:
    """Return the packed data spec and code; see `components.ingest.properties.pack`."""
    return execution.custom_properties[keys.CUSTOM_CONFIG_KEY].string_value


def _by_examples(store: mlmd.MetadataStore, statistics: Sequence[types.Artifact]) -> dict[int, types.Artifact]:
    """Return the most recent statistics by the id of their examples."""
    made = {execution.id: artifact for execution, artifact in makers(store, statistics)}
    events = store.get_events_by_execution_ids(sorted(made))
    read = sorted((e.execution_id, e.artifact_id) for e in events if e.type in INPUTS)
    return {examples: made[execution] for execution, examples in read}
