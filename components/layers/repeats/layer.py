"""Layer that raises the logits of the classes in a row's own history."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.losses.bonuses import Bonuses, full_loss_with
from components.layers.losses.labels import Labels
from components.layers.losses.several_sweep import SeveralSweep, sweep_several
from components.layers.optimization.gradients import gather_rows

# Initial values of c and d: a product in the latest basket is 21 times as likely as its logit alone says, and one in
# the basket before it 19 times.
_FIRST_STRENGTH, _FIRST_DECAY = 3.0, 2.0


@keras.saving.register_keras_serializable("bigvocab")
class Repeats(keras.layers.Layer):
    """Layer that adds a learned bonus to the logits of the classes in a row's own history, for rows of baskets.

        z'_j = z_j + log(1 + exp(c + c_j + n_B) sum_(k with id_k = j) lambda_j^(age_k - 1))
        lambda_j = sigmoid(d + d_j)

    The sum counts the baskets with class j, and counts older baskets less. The age of a basket is 1 for the latest
    basket. c_j and d_j are the strength and the decay of a class, such as milk or an umbrella; c and d are those of all
    classes; n_B depends on the number of baskets of the row, because a product in one of two baskets says more than a
    product in one of thirty. A class that is not in the history has the bonus 0, so the loss and the sweep add the
    bonuses to the logits of few pairs of row and class. The bonus is never negative.

    Sources: Hu et al., "Modeling Personalized Item Frequency Information for Next-basket Recommendation" (2020), for
    frequencies with decay; Ren et al., "RepeatNet: A Repeat Aware Neural Recommendation Machine for Session-based
    Recommendation" (2019), for a repeat mode beside the score of all items.

    Args:
        classes: Number of classes. A context id that is not below it stands for another token, or for no token.
        baskets: Number of values n_B. A row with more baskets has the last one.
    """

    def __init__(self, classes: int, baskets: int = 60, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes, self.baskets = classes, baskets

    def build(self, input_shape: Any = None) -> None:
        """Create c, (); d, (); c_j, (classes,); d_j, (classes,); and n, (baskets,)."""
        self.strength = self._weight("strength", (), _FIRST_STRENGTH)
        self.decay = self._weight("decay", (), _FIRST_DECAY)
        self.strengths = self._weight("strengths", (self.classes,))
        self.decays = self._weight("decays", (self.classes,))
        self.sizes = self._weight("sizes", (self.baskets,))
        self.built = True

    def _weight(self, name: str, shape: tuple[int, ...], value: float = 0.0) -> keras.Variable:
        constant = keras.initializers.Constant(value)
        return self.add_weight(shape=shape, initializer=constant, dtype="float32", autocast=False, name=name)

    def call(self, context: tf.Tensor, ages: tf.Tensor) -> Bonuses:
        """Return the bonuses of the classes in the history of each row.

        Args:
            context: (batch, K) integer context ids.
            ages: (batch, K) integer ages of the baskets of the ids, at least 1 at each class.
        """
        context, ages = tf.cast(context, tf.int32), tf.cast(ages, tf.int32)
        where = tf.where((context >= 0) & (context < self.classes))
        tokens, age = tf.gather_nd(context, where), tf.gather_nd(ages, where)
        keys, pair = tf.unique(where[:, 0] * self.classes + tf.cast(tokens, tf.int64))
        rows, classes = tf.cast(keys // self.classes, tf.int32), tf.cast(keys % self.classes, tf.int32)
        # In log space, because a power of the sigmoid would underflow, and its gradient would be 0 / 0.
        log_decay = tf.math.log_sigmoid(self.decay + gather_rows(self.decays, tokens))
        counted = tf.exp(tf.cast(tf.maximum(age, 1) - 1, tf.float32) * log_decay)
        frequency = tf.math.unsorted_segment_sum(counted, pair, tf.size(keys))
        size = tf.clip_by_value(tf.reduce_max(ages, axis=1), 1, self.baskets) - 1
        strength = self.strength + gather_rows(self.strengths, classes)
        strength += tf.gather(gather_rows(self.sizes, size), rows)
        return Bonuses(classes, rows, tf.math.log1p(tf.exp(strength) * frequency))

    def row_losses(
        self, softmax: tuple[tf.Tensor, Any, Any], context: tf.Tensor, ages: tf.Tensor, labels: Labels
    ) -> tf.Tensor:
        """Return the exact loss of each row over all classes, (batch,) float32 nats; 0 for a row without labels.

        Args:
            softmax: (batch, width) vectors, (classes, width) class vectors and (classes,) bias, float32. The logits
                are the products of the first two, plus the third.
            context: (batch, K) integer context ids.
            ages: (batch, K) integer ages of the baskets of the ids.
            labels: Labels of the rows.
        """
        return full_loss_with(*softmax, self(context, ages), labels)

    def sweep_several(
        self, softmax: tuple[tf.Tensor, Any, Any], context: tf.Tensor, ages: tf.Tensor, labels: Labels, k: int = 0
    ) -> SeveralSweep:
        """Measure the labels of rows, and find the k most probable classes: see `losses.several_sweep`.

        Args:
            softmax: As in `row_losses`.
            context: (batch, K) integer context ids.
            ages: (batch, K) integer ages of the baskets of the ids.
            labels: Labels of the rows, in ascending order of the rows.
            k: Number of the most probable classes to find.
        """
        return sweep_several(*softmax, labels, k=k, bonuses=self(context, ages))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "classes": self.classes, "baskets": self.baskets}
