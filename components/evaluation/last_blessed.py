"""Which model a new one is measured against."""

from __future__ import annotations

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.blessings import blessings_by_model


class LastBlessedModel(resolver.ResolverStrategy):
    """The newest blessed model that is not the candidate itself.

    TFX's `LatestBlessedModelStrategy` finds the candidate once it is blessed. The Evaluator's input would then differ
    in a second run with nothing changed: it would measure the model against itself, and the Pusher push it once more.

    Example:
        >>> last = Resolver(
        ...     strategy_class=LastBlessedModel,
        ...     model=Channel(type=standard_artifacts.Model),
        ...     model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        ...     candidate=trainer.outputs["model"],
        ... )
        >>> last.outputs["model"]
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Finds `model` and its `model_blessing`: a list of one each, or empty lists before there is such a model.

        Args:
            store: unused.
            input_dict: all `model`s and `model_blessing`s of the pipeline, and the `candidate`.
        """
        candidates = {artifact.id for artifact in input_dict["candidate"]}
        blessings = blessings_by_model(input_dict["model_blessing"])
        eligible = [model for model in input_dict["model"] if model.id in blessings and model.id not in candidates]
        last = max(eligible, key=lambda model: model.id, default=None)
        return {
            "model": [last] if last else [],
            "model_blessing": [blessings[last.id]] if last else [],
            "candidate": input_dict["candidate"],
        }
