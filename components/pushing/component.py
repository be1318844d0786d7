"""TFX component of the Pusher node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import pusher_pb2
from tfx.types import component_spec, standard_artifacts, standard_component_specs

from components.baselines.component import BaselineMetrics
from components.pushing.driver import Driver
from components.pushing.executor import CARD_KEYS, SEARCH_KEY, PusherExecutor
from components.pushing.spec import ServingSpec

_CARD_TYPES = (
    standard_artifacts.Examples,
    standard_artifacts.TransformGraph,
    BaselineMetrics,
    standard_artifacts.ModelRun,
    standard_artifacts.HyperParameters,
    standard_artifacts.TunerResults,
)
"""Types of the inputs `CARD_KEYS` and `SEARCH_KEY`."""


class PusherSpec(standard_component_specs.PusherSpec):
    """Specification of TFX's Pusher, with the evaluation of the model as a further input."""

    INPUTS = {
        **standard_component_specs.PusherSpec.INPUTS,
        standard_component_specs.EVALUATION_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.ModelEvaluation, optional=True
        ),
        **{
            key: component_spec.ChannelParameter(type=kind, optional=True)
            for key, kind in zip((*CARD_KEYS, SEARCH_KEY), _CARD_TYPES, strict=True)
        },
    }


class Pusher(base_component.BaseComponent):
    """Pusher with the executor and the driver of this package.

    Args:
        model: The Trainer's `model`.
        model_blessing: The Evaluator's `blessing`.
        infra_blessing: The InfraValidator's `blessing`.
        push_destination: Folder that the model server watches.
        custom_config: JSON that is included in the cache key.
        evaluation: The Evaluator's `evaluation`. None: the versions are pushed without their metrics.
        card: Channels by the keys of `CARD_KEYS` and `SEARCH_KEY`.
    """

    SPEC_CLASS = PusherSpec
    DRIVER_CLASS = Driver
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        push_destination: pusher_pb2.PushDestination,
        custom_config: str,
        evaluation: types.BaseChannel | None,
        **card: types.BaseChannel,
    ) -> None:
        super().__init__(
            PusherSpec(
                **card,
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                push_destination=push_destination,
                custom_config=custom_config,
                evaluation=evaluation,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )


def pusher(
    model: types.BaseChannel,
    model_blessing: types.BaseChannel,
    infra_blessing: types.BaseChannel,
    directory: str,
    code: str,
    evaluation: types.BaseChannel | None = None,
    serving: ServingSpec | None = None,
    card: Mapping[str, types.BaseChannel] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Pusher:
    """Create the node that pushes the model to `directory/<version>/` if both validators have blessed it.

    Args:
        model: The Trainer's `model`.
        model_blessing: The Evaluator's `blessing`.
        infra_blessing: The InfraValidator's `blessing`.
        directory: Folder that the model server watches: a local path, or a path that TFX's fileio supports, such as
            `gs://`.
        code: Fingerprint of the code.
        evaluation: The Evaluator's `evaluation`, whose metrics are recorded with the version.
        serving: Number of versions that remain after a push. None: all.
        card: Channels by `CARD_KEYS` and `SEARCH_KEY`. None: no model card.
        about: What the card says of the configuration, see `components.pushing.card.content.make_card`.

    Returns:
        A node with the output `pushed_model` (PushedModel).

    Raises:
        ValueError: A blessing is None. TFX's Pusher would push the model without it.
    """
    for name, channel in (("model_blessing", model_blessing), ("infra_blessing", infra_blessing)):
        if channel is None:
            raise ValueError(f"the Pusher needs {name}: without it any model would be pushed")
    return Pusher(
        model=model,
        model_blessing=model_blessing,
        infra_blessing=infra_blessing,
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=directory)
        ),
        custom_config=json.dumps(
            {
                "code": code,
                "serving": (serving or ServingSpec()).model_dump(mode="json"),
                **({"about": about} if about else {}),
            }
        ),
        evaluation=evaluation,
        **(card or {}),
    )
