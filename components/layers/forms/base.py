"""Interface of a form of the training loss."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import tensorflow as tf

from components.layers.proposal import Proposal

if TYPE_CHECKING:  # The layers do without pydantic.
    from components.layers.forms.spec import HeadSpec


@dataclass(frozen=True)
class Step:
    """Inputs of the loss in one training step.

    Attributes:
        hidden: (batch, width) float32 hidden vectors, scaled by the similarity and the temperature of the layer.
        labels: (batch,) int32 labels, each a valid class. A row outside the vocabulary has the label 0.
        known: (batch,) bool, False for the rows outside the vocabulary, whose losses are discarded.
        seed: (2,) int32 seed of all random draws; differs by step and replica.
        rows: Function from (n,) integer classes to their vectors, (n, width), and their bias, (n,), both float32. The
            logits of a hidden vector are hidden vectors^T + bias. It does not read the rest of the table.
        all_rows: Function without arguments that returns the vectors, (classes, width), and the bias, (classes,), of
            all classes.
        proposal: Distribution q of the negative samples.
        dtype: "float32" or "bfloat16", type that the wide matrix products read.
        fixed_shape: True if no shape may depend on the draws.
    """

    hidden: tf.Tensor
    labels: tf.Tensor
    known: tf.Tensor
    seed: tf.Tensor
    rows: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    all_rows: Callable[[], tuple[tf.Tensor, tf.Tensor]]
    proposal: Proposal
    dtype: str = "float32"
    fixed_shape: bool = False

    def draw(self) -> tf.Tensor:
        """Return the negative samples of the step, (S,) int32 classes with repetitions; the same on every call."""
        return self.proposal.draw(self.seed)


class Form(abc.ABC):
    """Form of the training loss of a `SampledSoftmax`.

    A form has no weights and keeps no state between steps: its random draws follow from `Step.seed` alone. Validation,
    metrics and the exported model do not use it; they compute the softmax over all classes.

    The gradient of the table is sparse if the form reads the table by `Step.rows`. The cost of a step then does not
    grow with the number of classes. It is dense if the form calls `Step.all_rows`.

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
