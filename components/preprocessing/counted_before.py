"""Choice of the earlier analyzer cache that Transform starts from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.types import standard_component_specs as keys

from components.ingest.spans.rolling_range import INPUTS, makers


@dataclass(frozen=True)
class _Run:
    """Execution of Transform that left a cache."""

    number: int
    examples: frozenset[int]
    config: str
    cache: types.Artifact


class CountedBefore(resolver.ResolverStrategy):
    """Resolver of the cache that holds the most spans of the rolling range and was made by the same code.

    The latest cache must not be chosen, because it may come from a previous run of the same rolling range. An unchanged
    second run would then have another input than the first run, and would transform and train again. So every run gets
    the cache that the first run with the same rolling range and configuration got.

    tf.Transform keys the entries of a cache by the data set and by the graph that leads to an analyzer. Other columns
    or constants are therefore counted anew. This strategy also requires the same code.

    Example:
        >>> counted = Resolver(
        ...     strategy_class=CountedBefore,
        ...     config={"custom_config": json.dumps({"code": "8c1f", ...})},
        ...     examples=rolling_range.outputs["examples"],
        ...     cache=Channel(type=TransformCache),
        ... )
        >>> counted.outputs["cache"]
    """

    def __init__(self, custom_config: str) -> None:
        """Initialize the strategy.

        Args:
            custom_config: Custom configuration of Transform, as JSON, with the fingerprint `code`.
        """
        self._config = json.loads(custom_config)

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Return the inputs with only the chosen artifact as `cache`, or with none if no span was counted before.

        Args:
            store: Metadata store that has the inputs of each cache's execution.
            input_dict: All `cache` artifacts of the pipeline, and the `examples` of this run.
        """
        examples = frozenset(artifact.id for artifact in input_dict["examples"])
        runs = list(_runs(store, input_dict["cache"]))
        first = min((r.number for r in runs if r.examples == examples and self._same(r)), default=None)
        earlier = [
            run
            for run in runs
            if (first is None or run.number < first)
            and run.examples & examples
            and json.loads(run.config).get("code") == self._config["code"]
        ]
        best = max(earlier, key=lambda r: (len(r.examples & examples), self._same(r), r.number), default=None)
        return {**input_dict, "cache": [best.cache] if best else []}

    def _same(self, run: _Run) -> bool:
        return json.loads(run.config) == self._config


def _runs(store: mlmd.MetadataStore, caches: list[types.Artifact]) -> Iterator[_Run]:
    made = {execution.id: (execution, cache) for execution, cache in makers(store, caches)}
    read: dict[int, set[int]] = {}
    for event in store.get_events_by_execution_ids(sorted(made)):
        if event.type in INPUTS and any(step.key == keys.EXAMPLES_KEY for step in event.path.steps):
            read.setdefault(event.execution_id, set()).add(event.artifact_id)
    for number, (execution, cache) in made.items():
        config = execution.custom_properties[keys.CUSTOM_CONFIG_KEY].string_value
        yield _Run(number, frozenset(read.get(number, ())), config or "{}", cache)
