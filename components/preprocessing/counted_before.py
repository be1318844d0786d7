"""Which earlier counts Transform may take up: TFX's analyzer cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.types import standard_component_specs as keys

from components.ingest.window import INPUTS, makers


@dataclass(frozen=True)
class _Run:
    """An execution of Transform that left a cache."""

    number: int
    examples: frozenset[int]
    config: str
    cache: types.Artifact


class CountedBefore(resolver.ResolverStrategy):
    """The cache that holds most of the window's spans, made by the same code.

    The latest one would not do: it is this run's own, once it is there. A second run with nothing changed would have
    another input than the first, and would transform and train once more. What a run finds is what the first run of
    the same window and configuration found.

    tf.Transform's keys in a cache are over the data set and the graph that leads to an analyzer: other columns or
    constants are counted anew. That the code is the same goes beyond it.

    Example:
        >>> counted = Resolver(
        ...     strategy_class=CountedBefore,
        ...     config={"custom_config": json.dumps({"code": "8c1f", ...})},
        ...     examples=window.outputs["examples"],
        ...     cache=Channel(type=TransformCache),
        ... )
        >>> counted.outputs["cache"]
    """

    def __init__(self, custom_config: str) -> None:
        """Makes the strategy.

        Args:
            custom_config: Transform's, as JSON, with the fingerprint `code`.
        """
        self._config = json.loads(custom_config)

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Finds `cache`: a list of one, or an empty one where no span was counted before.

        Args:
            store: knows what each cache was made of.
            input_dict: all `cache`s of the pipeline, and the `examples` of this run.
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
