"""Error of a loss or gradient that is not finite, with the examples of the batch that caused it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components.layers.head import step_seed
from components.layers.optimization.gradients import half_square_norm
from components.training.data.layout import LABEL, Batch
from components.training.faults.guard import BadStep
from components.training.faults.readable import Arrays, Readable
from components.training.model import VocabularyClassifier
from components.training.rows.cuts import NO_LABEL
from components.training.rows.hidden import at_labels, of_whole_rows

_SHOWN = 3


class ValidationNotFinite(ValueError):
    """Error that the objective of a validation is not finite."""


class NotFinite(Exception):
    """Loss or gradient that is not finite."""


@dataclass(frozen=True)
class _Found:
    """Losses and gradients of a batch, computed again.

    Attributes:
        losses: (labels,) loss of each example.
        weights: Names of the weights whose gradient is not finite.
    """

    losses: np.ndarray
    weights: list[str]


def not_finite(
    model: VocabularyClassifier,
    bad: BadStep,
    step: int,
    batch: Callable[[], tuple[Batch, Batch]],
    readable: Readable,
    saved: int | None,
) -> NotFinite:
    """Return the error of a bad step, with the step, the learning rate and examples of the batch.

    The losses of the examples are computed again. This works because the weights are still those before the step.

    Args:
        model: Model with the weights before the step.
        bad: The bad step.
        step: Number of the step in this training, from 1.
        batch: Function that reads the batch of the step again.
        readable: Readable form of the examples.
        saved: Step of the last checkpoint, or None without a checkpoint.
    """
    what = f"the loss is {bad.loss:g}" if not np.isfinite(bad.loss) else "a gradient is not finite"
    rest = f"The checkpoint of step {saved:,} remains." if saved is not None else "No checkpoint had been saved."
    line = (
        f"In step {step:,}, {what}, at a learning rate of {bad.rate:.3g}: lower trainer.learning_rate, or set "
        f"trainer.optimizer.global_clipnorm. {rest} Nothing was exported."
    )
    try:
        inputs, targets = batch()
        return NotFinite(f"{line}\n{_examples(_again(model, bad, inputs, targets), inputs, targets, readable)}")
    except Exception:  # The error must not hide the fault.
        logging.getLogger(__name__).exception("The batch of step %d could not be computed again.", step)
        return NotFinite(f"{line} Its batch could not be computed again: the log says why.")


def _again(model: VocabularyClassifier, bad: BadStep, inputs: Batch, targets: Batch) -> _Found:
    """Compute the losses and the gradients of a batch on one device."""
    variables = model.trainable_variables
    seed = step_seed(model.seed, tf.constant(bad.iteration))
    with tf.GradientTape() as tape:
        hidden, flat, counted = at_labels(model.encoder, inputs, targets, seed)
        each = model.row_losses(hidden, flat, seed, counted)
        losses = each[LABEL] + sum(weight * each[name] for name, weight in model.loss_weights.items())
        loss = tf.reduce_mean(losses)
    values: list[Any] = [v.value for v in variables]
    gradients = tape.gradient(loss, values)
    wrong = [v.path for v, g in zip(variables, gradients, strict=True) if not np.isfinite(half_square_norm([g]))]
    return _Found(losses.numpy(), wrong)


def _examples(found: _Found, inputs: Batch, targets: Batch, readable: Readable) -> str:
    """Return a line with the examples of a batch whose loss is not finite, or else with the largest losses."""
    losses = found.losses
    wrong = np.flatnonzero(~np.isfinite(losses))
    shown = (wrong if len(wrong) else np.argsort(-losses, kind="stable"))[:_SHOWN]
    places = _places(targets)
    rows = [places[i] for i in shown]
    values, answers = _arrays(inputs), _arrays(targets)
    listed = "; ".join(
        f"{readable.example(values, answers, *place)}: loss {losses[i]:.4g}"
        for i, place in zip(shown, rows, strict=True)
    )
    if len(wrong):
        line = f"The loss of {len(wrong):,} of the {len(losses):,} examples of its batch is not finite, as of {listed}."
    elif found.weights:
        many = f"{found.weights[0]}{f' and {len(found.weights) - 1} more' if len(found.weights) > 1 else ''}"
        line = (
            f"The gradient of {many} is not finite. Of the {len(losses):,} examples of its batch, the largest losses "
        )
        line += f"have {listed}."
    else:
        line = f"Of the {len(losses):,} examples of its batch, the largest losses have {listed}."
    extremes = sorted({name for row, _ in rows for name in readable.extremes(values, row)})
    return f"{line} Look at the extreme values of {', '.join(extremes)}." if extremes else line


def _places(targets: Batch) -> list[tuple[int, int | None]]:
    """Return the row of each example in the batch, and the position in a batch of whole rows."""
    labels = targets[LABEL].numpy()
    if not of_whole_rows(targets):
        return [(row, None) for row in range(len(labels))]
    return [(int(row), int(position)) for row, position in zip(*np.nonzero(labels != NO_LABEL), strict=True)]


def _arrays(batch: Batch) -> Arrays:
    return {name: value.numpy() for name, value in batch.items()}
