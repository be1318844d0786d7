"""Keras layer of the encoder `recurrent`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from components.layers.encoders.base import Encoder, glorot, seeded
from components.layers.encoders.recurrent.lstm import lstm_states

_CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


@keras.saving.register_keras_serializable("bigvocab")
class Recurrent(Encoder):
    """Encoder that embeds K ids, applies ONE dense layer to each, and reads the sequence with an LSTM or GRU.

        p_k = E[id_k] W + b                     the same E, W and b at every position; with token features,
                                                [E[id_k], features of token k] W + b
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
        self.projection.build((None, context, self.embedded_width))
        self.recurrence.build((None, context, self._config["projection"]))
        self.build_join(self._config["units"])
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the hidden vectors, (batch, width): see `Encoder`."""
        ids = tf.cast(inputs["input_ids"], tf.int32)
        # The mask keeps the state at positions with padding.
        states = self.recurrence(self._each(ids, inputs, self.projection, dropout_seed), mask=ids != self.padding)
        return self.join(states[:, -1], inputs, dropout_seed)

    def states(
        self,
        ids: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        token_features: Mapping[str, tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Return the state at each position, (rows, L, units): see `Encoder`."""
        features = token_features or {}
        # A state does not depend on padding to its right, so no position is masked.
        if self._config["cell"] == "gru":
            return self.recurrence(self._each(ids, features, self.projection, dropout_seed))
        cell = self.recurrence.cell

        def gates(embedded: tf.Tensor) -> tf.Tensor:
            return tf.matmul(self.projection(embedded), cell.kernel.value) + cell.bias.value

        # `lstm_states` takes the positions as the first axis.
        features = {name: tf.transpose(values) for name, values in features.items()}
        made = self._each(tf.transpose(ids), features, gates, dropout_seed)
        return tf.transpose(lstm_states(made, tf.convert_to_tensor(cell.recurrent_kernel.value)), [1, 0, 2])

    def _each(
        self,
        ids: tf.Tensor,
        inputs: Mapping[str, tf.Tensor],
        of: Callable[[tf.Tensor], tf.Tensor],
        seed: tf.Tensor | None,
    ) -> tf.Tensor:
        """Return a function of the embedding of each id with its token features, (..., n) for ids of shape (...).

        Args:
            ids: Integers of any shape.
            inputs: Token features by name, each of the same shape.
            of: Function from (m, embedded_width) to (m, n).
            seed: (2,) int32 in training; None otherwise.
        """
        if self.token_features:
            made = of(tf.reshape(self.embedded(ids, inputs, seed), [-1, self.embedded_width]))
        else:
            # A batch has far fewer distinct ids than positions.
            found, where = tf.unique(tf.reshape(ids, [-1]))
            made = tf.gather(of(self.embeddings(found, seed)), where)
        return tf.ensure_shape(
            tf.reshape(made, [*tf.unstack(tf.shape(ids)), made.shape[-1]]), [*ids.shape, made.shape[-1]]
        )
