"""Interface of the forms of the training loss."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import tensorflow as tf

from components.layers.classes.proposal import Proposal
from components.layers.losses.labels import Labels, LossName

if TYPE_CHECKING:  # The layers must work without pydantic.
    from components.layers.forms.spec import HeadSpec


@dataclass(frozen=True)
class Step:
    """Inputs of the loss in one training step.

    Attributes:
        hidden: (batch, width) float32 hidden vectors, scaled by the similarity and the temperature of the layer.
        labels: (batch,) int32 labels, each a valid class. A label outside the vocabulary is replaced by 0.
        known: (batch,) bool, False for labels outside the vocabulary. The losses of these rows are discarded.
        seed: (2,) int32 seed of all random draws, which differs by step and replica.
        rows: Function from (n,) integer classes to their vectors, (n, width), and their bias, (n,), both float32. The
            logits of a hidden vector are hidden vectors^T + bias. The function does not read the rest of the table.
        all_rows: Function without arguments that returns the vectors, (classes, width), and the bias, (classes,), of
            all classes.
        proposal: Distribution q of the negative samples.
        dtype: "float32" or "bfloat16", the type of the inputs of the wide matrix products.
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
        """Return the negative samples of the step, (S,) int32 classes with repetitions. Every call returns the same."""
        return self.proposal.draw(self.seed)


class Form(abc.ABC):
    """Form of the training loss of a `SampledSoftmax`.

    A form has no weights and keeps no state between steps: its random draws follow from `Step.seed` alone. Validation,
    metrics and the exported model do not use it; they compute the softmax over all classes.

    If the form reads the table by `Step.rows`, the gradient of the table is sparse, and the cost of a step does not
    grow with the number of classes. If the form calls `Step.all_rows`, the gradient is dense.

    To save a layer with a user-defined form, register the class of the form by
    `keras.saving.register_keras_serializable`.
    """

    Spec: ClassVar[type[HeadSpec] | None] = None
    """Keys of a user-defined form under `trainer.head`. The keys that `HeadSpec` does not have are arguments of the
    class. None: the keys of `HeadSpec`."""
    supports_jit: ClassVar[bool] = False
    """True if XLA can compile the loss of a step whose `fixed_shape` is True."""

    @abc.abstractmethod
    def losses(self, step: Step) -> tf.Tensor:
        """Return the loss of each row, (batch,) float32.

        Args:
            step: Inputs of the loss.
        """

    def losses_of_several(self, step: Step, labels: Labels, loss: LossName) -> tf.Tensor:
        """Return the loss of each row that may have several labels, (batch,) float32; 0 for a row without labels.

        Args:
            step: Inputs of the loss. Its labels are those of all rows in one list, (labels,), all of them known.
            labels: Rows and shares of the labels.
            loss: Kind of loss, see `components.layers.losses.several_labels`.

        Raises:
            NotImplementedError: The form has only a loss for one label per row.
        """
        raise NotImplementedError(f"{type(self).__name__} has no losses_of_several(): it takes one label per row")

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
