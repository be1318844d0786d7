"""How many steps a training has, and when it is validated."""

from __future__ import annotations

from dataclasses import dataclass

from components.training.spec import TrainerSpec


@dataclass(frozen=True)
class Plan:
    """The steps of a training.

    Attributes:
        windows: of the train split, with a known label.
        batch: windows a step, over all replicas.
        steps_per_pass: steps that make one pass over the train split.
        stretches: validations, one at the end of each stretch of steps.
        stretch_steps: steps between two validations.
        warmup: steps of the learning rate's warm-up.
    """

    windows: int
    batch: int
    steps_per_pass: int
    stretches: int
    stretch_steps: int
    warmup: int

    @property
    def steps(self) -> int:
        return self.stretches * self.stretch_steps


def make_plan(spec: TrainerSpec, windows: int, replicas: int) -> Plan:
    """Fits a configuration to the data at hand.

    A train split smaller than a batch is one batch. Fewer steps than validations are validated after each.

    Args:
        spec: what is wanted.
        windows: of the train split, with a known label.
        replicas: that share each batch evenly.

    Raises:
        ValueError: fewer windows than replicas.
    """
    batch = min(spec.batch, windows)
    batch -= batch % replicas
    if batch == 0:
        raise ValueError(
            f"the train split has {windows} examples with a known label, too few for {replicas} replicas to learn from"
        )
    steps_per_pass = windows // batch
    steps = max(1, int(spec.epochs * steps_per_pass))
    stretches = min(steps, max(1, round(spec.epochs * spec.validations)))
    stretch_steps = steps // stretches
    # Few steps are validated more often than asked for, rather than that some are left out.
    stretches = steps // stretch_steps
    warmup = min(int(spec.warmup * steps), stretches * stretch_steps - 1)
    return Plan(windows, batch, steps_per_pass, stretches, stretch_steps, warmup)
