"""Which model a training starts from."""

from __future__ import annotations

from collections.abc import Iterable

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.types import standard_component_specs as keys

from components.blessings import blessings_by_model

_OUTPUTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)


class LastBlessedOnOtherData(resolver.ResolverStrategy):
    """The newest blessed model that was trained on other data: on another output of Transform.

    A model that starts from an earlier one is blessed in its turn. Were it what a second run with nothing changed
    starts from, that run would train once more, and so would every one after it.

    Example:
        >>> base = Resolver(
        ...     strategy_class=LastBlessedOnOtherData,
        ...     model=Channel(type=standard_artifacts.Model),
        ...     model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        ...     transform_graph=transform.outputs["transform_graph"],
        ... )
        >>> base.outputs["model"]
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Finds `model`: a list of one, or an empty one before there is such a model.

        Args:
            store: knows what each model was trained on.
            input_dict: all `model`s and `model_blessing`s of the pipeline, and the `transform_graph` of this run.
        """
        blessings = blessings_by_model(input_dict["model_blessing"])
        graphs = {artifact.id for artifact in input_dict["transform_graph"]}
        blessed = sorted((m for m in input_dict["model"] if m.id in blessings), key=lambda m: m.id, reverse=True)
        last = next((model for model in blessed if not graphs & set(_trained_on(store, model.id))), None)
        return {**input_dict, "model": [last] if last else [], "model_blessing": [blessings[last.id]] if last else []}


def _trained_on(store: mlmd.MetadataStore, model: int) -> Iterable[int]:
    """The outputs of Transform, by id, that the executions which made a model read."""
    makers = {e.execution_id for e in store.get_events_by_artifact_ids([model]) if e.type in _OUTPUTS}
    for event in store.get_events_by_execution_ids(sorted(makers)):
        if event.type not in _OUTPUTS and any(s.key == keys.TRANSFORM_GRAPH_KEY for s in event.path.steps):
            yield event.artifact_id
