"""Choice of the base model from which a training starts."""

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
    """Resolver strategy that finds the newest blessed model that was trained on another output of Transform.

    A model that starts from a base model can be blessed too. If a second, unchanged run started from this new model,
    the input of the second run would differ, and the run would train again, as would every later run.

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
        """Find the base model and its blessing.

        Args:
            store: Metadata store that records the inputs of each training.
            input_dict: All artifacts `model` and `model_blessing` of the pipeline, and the `transform_graph` of this
                run.

        Returns:
            Copy of `input_dict` whose `model` and `model_blessing` hold one artifact each. Both are empty if the store
            has no such model.
        """
        blessings = blessings_by_model(input_dict["model_blessing"])
        graphs = {artifact.id for artifact in input_dict["transform_graph"]}
        blessed = sorted((m for m in input_dict["model"] if m.id in blessings), key=lambda m: m.id, reverse=True)
        last = next((model for model in blessed if not graphs & set(trained_on(store, model.id))), None)
        return {**input_dict, "model": [last] if last else [], "model_blessing": [blessings[last.id]] if last else []}


def trained_on(store: mlmd.MetadataStore, model: int) -> Iterable[int]:
    """Yield the ids of the `transform_graph` artifacts that the executions of a model read."""
    makers = {e.execution_id for e in store.get_events_by_artifact_ids([model]) if e.type in _OUTPUTS}
    for event in store.get_events_by_execution_ids(sorted(makers)):
        if event.type not in _OUTPUTS and any(s.key == keys.TRANSFORM_GRAPH_KEY for s in event.path.steps):
            yield event.artifact_id
