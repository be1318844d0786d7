"""Prediction of the memory of a training, and the error of a lack of memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import keras

from components.compat.keras import planned_weights
from components.layers.classes.softmax import LOGITS
from components.memory import Memory, lacks_memory, memory
from components.messages.formatting import in_bytes
from components.messages.progress import note
from components.training.spec import TrainerSpec

_FLOAT = 4
# Copies of the weights that a training always holds: the weights, two moments, and the best weights so far.
_COPIES = 4
# Arrays of the size of the logits that a step or a validation holds at a time: logits, probabilities and gradient.
_LOGIT_ARRAYS = 3
# Vectors of the size of an embedding for each input id of a batch: values, gradient, and intermediate values.
_ID_ARRAYS = 4
Stage = Literal["training", "validation"]


class OutOfMemory(Exception):
    """Lack of memory in a training."""


@dataclass(frozen=True)
class Need:
    """Predicted memory of a training, in bytes.

    Attributes:
        weights: Weights, moments of the optimizer, and best weights: a lower bound.
        step: Further memory of a step or a validation, by its largest arrays.
    """

    weights: int
    step: int

    @property
    def total(self) -> int:
        """Predicted memory together."""
        return self.weights + self.step


def predicted(spec: TrainerSpec, build: Callable[[], keras.Model], batch: int, classes: int) -> Need:
    """Predict the memory of a training with one replica, without creating its weights.

    Args:
        spec: Configuration of the training.
        build: Function that builds the model.
        batch: Examples per step.
        classes: Number of classes; 0 if the label is a number.
    """
    trainable, others = planned_weights(build)
    embedding = getattr(spec.model, "embedding", 0)
    ids = _ID_ARRAYS * batch * spec.model.context * embedding
    sampled = batch * (min(spec.head.negatives, classes) + 1) if classes else 0
    logits = _LOGIT_ARRAYS * max(sampled, min(batch * classes, LOGITS))
    dense = trainable if spec.optimizer.kind == "adam" else 0  # Its gradients have the size of the tables.
    return Need(_COPIES * trainable + others, dense + _FLOAT * (ids + logits))


def check(need: Need, spec: TrainerSpec, has: Memory) -> None:
    """Warn if a training may need more memory than is free.

    Args:
        need: Predicted memory.
        spec: Configuration of the training.
        has: Memory of the machine.

    Raises:
        OutOfMemory: The weights and moments alone exceed the memory of the machine.
    """
    if need.weights > has.total:
        raise OutOfMemory(
            f"the weights, their best values and the moments of the optimizer need {in_bytes(need.weights)} of memory, "
            f"and this machine has {in_bytes(has.total)}: lower vocabulary.inputs, vocabulary.labels or "
            "trainer.model.embedding, or use a machine with more memory"
        )
    if need.total > has.free:
        note(
            f"the training may need {in_bytes(need.total)} of memory, {in_bytes(need.weights)} of it for the weights, "
            f"and {has}: if it fails, lower {_halved(spec)}"
        )


@contextlib.contextmanager
def memory_errors(spec: TrainerSpec, stage: Stage) -> Iterator[None]:
    """Return a context that converts a lack of memory to `OutOfMemory`, which names the settings that help.

    Args:
        spec: Configuration of the training.
        stage: Stage of the training within the context.

    Raises:
        OutOfMemory: Memory could not be allocated.
    """
    try:
        yield
    except OutOfMemory:
        raise
    except Exception as error:
        if not lacks_memory(error):
            raise
        also = f", or trainer.validation_examples, now {spec.validation_examples:,}" if stage == "validation" else ""
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise OutOfMemory(
            f"out of memory in the {stage} ({memory()} now): lower {_halved(spec)}{also}. "
            "With a changed setting, the next run trains from the first step; otherwise it resumes at the last "
            f"checkpoint. ({first[:200]})"
        ) from error


def _halved(spec: TrainerSpec) -> str:
    return f"trainer.batch, now {spec.batch:,}, for example to {max(1, spec.batch // 2):,}"
