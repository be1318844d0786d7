"""TFX component of the Pusher node."""

from __future__ import annotations

from tfx import types
from tfx.components.pusher import component as tfx_component
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2

from components.pushing.driver import Driver
from components.pushing.executor import PusherExecutor


class Pusher(tfx_component.Pusher):
    """TFX's Pusher with the executor and the driver of this package."""

    DRIVER_CLASS = Driver
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)


def pusher(
    model: types.BaseChannel,
    model_blessing: types.BaseChannel,
    infra_blessing: types.BaseChannel,
    directory: str,
    code: str,
) -> Pusher:
    """Create the node that pushes the model to `directory/<version>/` if both validators have blessed it.

    Args:
        model: The Trainer's `model`.
        model_blessing: The Evaluator's `blessing`.
        infra_blessing: The InfraValidator's `blessing`.
        directory: Folder that the model server watches: a local path, or a path that TFX's fileio supports, such as
            `gs://`.
        code: Fingerprint of the code.

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
        custom_config={"code": code},
    )
