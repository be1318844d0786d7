"""Choice of the model that a new model is compared with."""

from __future__ import annotations

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.blessings import blessings_by_model


class LastBlessedModel(resolver.ResolverStrategy):
    """Resolver strategy that finds the newest blessed model other than the candidate.

    TFX's `LatestBlessedModelStrategy` finds the candidate itself once the candidate is blessed. In a second, unchanged
    run, the Evaluator would then have a different input and compare the model with itself, and the Pusher would push
    the model again.

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
        """Return lists of one `model` and its `model_blessing`, or empty lists if no such model exists.

        Args:
            store: Unused.
            input_dict: All artifacts `model` and `model_blessing` of the pipeline, and the `candidate`.
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
