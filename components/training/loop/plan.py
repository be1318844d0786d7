"""Number of steps in a training, and times of its validations."""

from __future__ import annotations

from dataclasses import dataclass

from components.training.spec import TrainerSpec


@dataclass(frozen=True)
class Plan:
    """Steps and validations of a training.

    Attributes:
        windows: Number of training examples with a known label.
        batch: Number of examples per step, over all replicas.
        steps_per_pass: Number of steps of one pass over the train split.
        validations: Number of validations, one at the end of each interval.
        interval: Number of steps between two validations.
        warmup: Number of steps of the warm-up of the learning rate.
    """

    windows: int
    batch: int
    steps_per_pass: int
    validations: int
    interval: int
    warmup: int

    @property
    def steps(self) -> int:
        """Number of steps of the whole training."""
        return self.validations * self.interval


def make_plan(spec: TrainerSpec, windows: int, replicas: int, least_batch: int = 1) -> Plan:
    """Compute the plan of a training from the configuration and the size of the data.

    A train split that is smaller than a batch is one batch. If the training has fewer steps than validations, a
    validation follows each step.

    Args:
        spec: Configuration of the training.
        windows: Number of training examples with a known label.
        replicas: Number of replicas that share each batch evenly.
        least_batch: Minimum number of examples in a batch.

    Raises:
        ValueError: The train split has fewer examples than replicas.
    """
    batch = min(max(spec.batch, least_batch + -least_batch % replicas), windows)
    batch -= batch % replicas
    if batch == 0:
        raise ValueError(
            f"the train split has {windows} examples with a known label, too few for {replicas} replicas to learn from"
        )
    steps_per_pass = windows // batch
    steps = max(1, int(spec.epochs * steps_per_pass))
    validations = min(steps, max(1, round(spec.epochs * spec.validations_per_epoch)))
    interval = steps // validations
    # A training of few steps is validated more often than configured, so that no steps are left out.
    validations = steps // interval
    warmup = min(int(spec.warmup * steps), validations * interval - 1)
    return Plan(windows, batch, steps_per_pass, validations, interval, warmup)
