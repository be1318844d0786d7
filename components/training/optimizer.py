"""Construction of the optimizer."""

from __future__ import annotations

from typing import Any

from components.layers.optimization.optimizers import FusedAdam, RowAdam
from components.training.spec import OptimizerSpec


def make_optimizer(spec: OptimizerSpec, learning_rate: Any) -> FusedAdam:
    """Return the optimizer of a configuration.

    Args:
        spec: Kind of the optimizer, its decay and its clipping.
        learning_rate: Number, or `keras.optimizers.schedules.LearningRateSchedule`.
    """
    kind = {"adam": FusedAdam, "row_adam": RowAdam}[spec.kind]
    return kind(
        learning_rate,
        beta_1=spec.beta_1,
        beta_2=spec.beta_2,
        weight_decay=spec.weight_decay or None,
        clipnorm=spec.clipnorm,
        global_clipnorm=spec.global_clipnorm,
        clipvalue=spec.clipvalue,
    )
