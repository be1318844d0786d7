"""Interface of a form of the training loss."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import keras
import tensorflow as tf

from components.layers.gradients import gather_rows
from components.layers.proposal import Proposal

if TYPE_CHECKING:  # The layers do without pydantic.
    from components.layers.forms.spec import HeadSpec


@dataclass(frozen=True)
class Step:
    """Inputs of the loss in one training step.

    Attributes:
        hidden: (batch, width) float32 hidden vectors. The logits of all classes are hidden table^T + bias.
        labels: (batch,) int32 labels, each a valid class. A row outside the vocabulary has the label 0.
        known: (batch,) bool, False for the rows outside the vocabulary, whose losses are discarded.
        seed: (2,) int32 seed of all random draws; differs by step and replica.
        table: (classes, width) float32 variable.
        bias: (classes,) float32 variable.
        proposal: Distribution q of the negative samples.
        dtype: "float32" or "bfloat16", type that the wide matrix products read.
        fixed_shape: True if no shape may depend on the draws.
    """

    hidden: tf.Tensor
    labels: tf.Tensor
    known: tf.Tensor
    seed: tf.Tensor
    table: keras.Variable
    bias: keras.Variable
    proposal: Proposal
    dtype: str = "float32"
    fixed_shape: bool = False

    def draw(self) -> tf.Tensor:
        """Return the negative samples of the step, (S,) int32 classes with repetitions; the same on every call."""
        return self.proposal.draw(self.seed)

    def rows(self, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the rows of the table and the bias of some classes, without reading the rest.

        Args:
            classes: (n,) integers.

        Returns:
            (n, width) and (n,) float32.
        """
        return gather_rows(self.table, classes), gather_rows(self.bias, classes)


class Form(abc.ABC):
    """Form of the training loss of a `SampledSoftmax`.

    A form has no weights and keeps no state between steps: its random draws follow from `Step.seed` alone. Validation,
    metrics and the exported model do not use it; they compute the softmax over all classes.

    The gradient of the table is sparse if the form reads the table by `Step.rows`. The cost of a step then does not
    grow with the number of classes. It is dense if the form reads all of `Step.table.value`.

    To save a layer with a form of your own, register its class by `keras.saving.register_keras_serializable`.
    """

    Spec: ClassVar[type[HeadSpec] | None] = None
    """Keys of a user's own form under `trainer.head`; those that `HeadSpec` does not have are arguments of the class.
    None: those of `HeadSpec`."""
    supports_jit: ClassVar[bool] = False
    """True if XLA can compile the loss of a step whose `fixed_shape` is True."""

    @abc.abstractmethod
    def losses(self, step: Step) -> tf.Tensor:
        """Return the loss of each row, (batch,) float32.

        Args:
            step: Inputs of the loss.
        """

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the class.

        Raises:
            NotImplementedError: The class has arguments, but no `get_config` of its own.
        """
        if type(self).__init__ is not object.__init__:
            raise NotImplementedError(f"{type(self).__name__} needs a get_config() that returns its arguments")
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the form that `get_config` described."""
        return cls(**config)
