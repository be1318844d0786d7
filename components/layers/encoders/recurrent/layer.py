"""Keras layer of the encoder `recurrent`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.layers.encoders.base import Encoder, glorot, seeded
from components.layers.encoders.recurrent.lstm import lstm_states

_CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


@keras.saving.register_keras_serializable("bigvocab")
class Recurrent(Encoder):
    """Encoder that embeds K ids, applies ONE dense layer to each, and reads the sequence with an LSTM or GRU.

        p_k = E[id_k] W + b                     the same E, W and b at every position
        s_k = cell(p_k, s_(k-1))                s_k = s_(k-1) if id_k is padding
        x   = [s_K, numbers, categories]

    `Encoder` computes h from x. The cells are those of Keras.

    Sources: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997); Cho et al., "Learning Phrase Representations
    using RNN Encoder-Decoder" (2014).

    Args:
        projection: Width of W.
        cell: "lstm" or "gru".
        units: Width of s.
        common: Arguments of `Encoder`.
    """

    def __init__(self, *, projection: int, cell: str = "lstm", units: int, **common: Any) -> None:
        super().__init__(**common)
        self._config |= {"projection": projection, "cell": cell, "units": units}
        self.add_layers()
        seed = self._config["seed"]
        self.projection = keras.layers.Dense(projection, kernel_initializer=glorot(seed + 2), name="projection")
        with seeded(seed + 4):
            # cuDNN does not support padding on the left, and a model exported with its kernels needs a GPU.
            self.recurrence = _CELLS[cell](units, return_sequences=True, use_cudnn=False, name=cell)

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """Weights of the projection and of the recurrent cell."""
        return [*self.projection.trainable_variables, *self.recurrence.trainable_variables]

    def build(self, input_shape: dict[str, tuple[int | None, ...]]) -> None:
        """Create the variables for K ids, the size of the last axis of `input_ids`."""
        context = input_shape["input_ids"][-1]
        self.embedding.build((None, context))
        self.projection.build((None, context, self._config["embedding"]))
        self.recurrence.build((None, context, self._config["projection"]))
        self.build_join(self._config["units"])
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the hidden vectors, (batch, width): see `Encoder`."""
        ids = tf.cast(inputs["input_ids"], tf.int32)
        # The mask keeps the state at positions with padding.
        states = self.recurrence(self._by_id(ids, self.projection, dropout_seed), mask=ids != self.padding)
        return self.join(states[:, -1], inputs, dropout_seed)

    def states(self, ids: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the state at each position, (rows, L, units): see `Encoder`."""
        # A state does not depend on padding to its right, so no position is masked.
        if self._config["cell"] == "gru":
            return self.recurrence(self._by_id(ids, self.projection, dropout_seed))
        cell = self.recurrence.cell

        def gates(embedded: tf.Tensor) -> tf.Tensor:
            return tf.matmul(self.projection(embedded), cell.kernel.value) + cell.bias.value

        # `lstm_states` takes the positions as the first axis.
        by_id = self._by_id(tf.transpose(ids), gates, dropout_seed)
        states = lstm_states(by_id, tf.convert_to_tensor(cell.recurrent_kernel.value))
        return tf.transpose(states, [1, 0, 2])

    def _by_id(self, ids: tf.Tensor, of: Callable[[tf.Tensor], tf.Tensor], seed: tf.Tensor | None) -> tf.Tensor:
        """Return a function of the embedding of each id, (..., n) for ids of shape (...).

        Args:
            ids: Integers of any shape.
            of: Function from (m, embedding) to (m, n).
            seed: (2,) int32 in training; None otherwise.
        """
        # A batch has far fewer distinct ids than positions.
        found, where = tf.unique(tf.reshape(ids, [-1]))
        made = tf.gather(of(self.embedded(found, seed)), where)
        return tf.ensure_shape(
            tf.reshape(made, [*tf.unstack(tf.shape(ids)), made.shape[-1]]), [*ids.shape, made.shape[-1]]
        )
