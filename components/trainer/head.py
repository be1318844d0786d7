"""The output layer over many classes, with a sampled softmax for training.

Source: Jean et al., "On Using Very Large Target Vocabulary for Neural Machine Translation" (2015), and Bengio and
Senecal, "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model" (2008), in the
form where the whole batch shares one set of candidates and each class stands in it at most once.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def step_seed(seed: int, step: tf.Tensor) -> tf.Tensor:
    """(2,) int32 for stateless draws: others at every step and on every replica, the same when a step is repeated."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    # Spread, so that the replicas of one seed are not those of the next.
    first = (seed * 2_654_435) % (2**31 - 2**16)
    return tf.stack([first + tf.cast(replica, tf.int32), tf.cast(step, tf.int32)])


@tf.custom_gradient
def shared_candidates_loss(
    hidden: tf.Tensor, table: tf.Tensor, bias: tf.Tensor, targets: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]]:
    """Cross entropy of each row over candidates that all rows share.

        z = hidden table^T + bias,   loss_i = log(sum_j exp z_ij) - z_i,target(i)

    With p = softmax(z) and y the one-hot targets, the gradient for the rows' weights g is
    (g (p - y)) table for hidden, (p - y)^T (g hidden) for table, and (p - y)^T g for bias. Only the one matrix p is
    held between the passes.

    Args:
        hidden: (batch, width), float32 or bfloat16. The logits are computed in this type, all else in float32.
        table: (candidates, width), of the same type.
        bias: (candidates,) float32.
        targets: (batch,) int32 or int64, which candidate is each row's label. Rows without a label need any valid
            candidate, and a weight of 0 on their loss.

    Returns:
        (batch,) float32 losses in nats.
    """
    logits = tf.cast(tf.matmul(hidden, table, transpose_b=True), tf.float32) + bias
    probabilities = tf.nn.softmax(logits)
    rows = tf.range(tf.shape(targets)[0], dtype=targets.dtype)
    at_targets = tf.stack([rows, targets], axis=1)
    # The largest entry gives the normaliser back without a second pass of exp, and its probability never underflows.
    log_normaliser = tf.reduce_max(logits, axis=1) - tf.math.log(tf.reduce_max(probabilities, axis=1))
    loss = log_normaliser - tf.gather_nd(logits, at_targets)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        residual = tf.tensor_scatter_nd_sub(probabilities, at_targets, tf.ones_like(loss))
        # The rows' weights scale the narrow matrices, never the wide one.
        weights = upstream[:, tf.newaxis]
        narrow = tf.cast(residual, hidden.dtype)
        d_hidden = tf.matmul(narrow, table) * tf.cast(weights, hidden.dtype)
        d_table = tf.matmul(narrow, hidden * tf.cast(weights, hidden.dtype), transpose_a=True)
        d_bias = tf.linalg.matvec(residual, upstream, transpose_a=True)
        return d_hidden, d_table, d_bias, None

    return loss, gradient


class SampledSoftmax(keras.layers.Layer):
    """A dense layer to many classes that trains on a sample of them.

    Candidates of a step are unique(labels of the batch + S draws from q), q proportional to counts ** alpha. Each
    class stands in the set once, so a draw that hits another row's label needs no mask. A class is in the set with
    probability

        pi = 1 - (1 - q)^S (1 - p)^B,

    p being the label's own frequency, and log(pi) is subtracted from its logit. With S >= classes all classes are
    candidates, pi is 1, and the loss is the full softmax.

    Args:
        counts: how often each class was seen in training, in the order of the ids.
        negatives: S.
        alpha: exponent of the proposal.
        seed: of the weights, and for the caller to seed the draws with.
        logits_dtype: "float32" or "bfloat16", the type of the matrix products in the sampled loss only.
    """

    def __init__(
        self,
        counts: Sequence[int],
        negatives: int,
        alpha: float = 0.75,
        seed: int = 0,
        logits_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.counts = [int(c) for c in counts]
        if len(self.counts) < 2 or min(self.counts) < 1:
            raise ValueError("SampledSoftmax needs at least two classes, each with a count of at least 1")
        self.negatives, self.alpha, self.seed, self.logits_dtype = negatives, alpha, seed, logits_dtype
        frequencies = np.asarray(self.counts, np.float64) / sum(self.counts)
        proposal = frequencies**alpha
        proposal /= proposal.sum()
        self._log_frequencies = np.log(frequencies).astype(np.float32)
        self._cdf = np.cumsum(proposal).astype(np.float32)
        self._not_drawn = (negatives * np.log1p(-proposal)).astype(np.float32)
        self._not_label = np.log1p(-frequencies).astype(np.float32)

    @property
    def classes(self) -> int:
        return len(self.counts)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # autocast=False: mixed precision must not read the table as bfloat16.
        self.table = self.add_weight(
            shape=(self.classes, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02, seed=self.seed),
            autocast=False,
            name="table",
        )
        # A model that knows nothing yet answers with the labels' frequencies.
        self.bias = self.add_weight(
            shape=(self.classes,),
            initializer=lambda shape, dtype=None: tf.constant(self._log_frequencies, dtype=dtype, shape=shape),
            autocast=False,
            name="bias",
        )

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits of all classes: (batch, width) -> (batch, classes). Use in chunks: it is large."""
        return tf.matmul(tf.cast(hidden, tf.float32), self.table, transpose_b=True) + self.bias

    def candidates(self, labels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Draws the classes that a step is trained on.

        Args:
            labels: (batch,) int32, each a valid class.
            seed: (2,) int32, as from `step_seed`; the draws follow from it.

        Returns:
            (candidates,) int32 distinct classes, (batch,) int32 where each label stands among them, and (candidates,)
            float32 log(pi).
        """
        if self.negatives >= self.classes:
            return tf.range(self.classes), labels, tf.zeros(self.classes)
        uniform = tf.random.stateless_uniform([self.negatives], seed)
        # float32 sums may end just short of 1: a draw beyond the last bound is the last class.
        draws = tf.minimum(tf.searchsorted(tf.constant(self._cdf), uniform, side="right"), self.classes - 1)
        found, where = tf.unique(tf.concat([labels, draws], axis=0))
        batch = tf.cast(tf.shape(labels)[0], tf.float32)
        absent = tf.gather(tf.constant(self._not_drawn), found) + batch * tf.gather(tf.constant(self._not_label), found)
        return found, where[: tf.shape(labels)[0]], tf.math.log(-tf.math.expm1(absent))

    def sampled_loss(self, hidden: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Training loss of each row: (batch, width), (batch,) -> (batch,) float32 nats; 0 where the label is -1."""
        labels = tf.cast(labels, tf.int32)
        known = labels >= 0
        found, targets, log_pi = self.candidates(tf.maximum(labels, 0), seed)
        loss = shared_candidates_loss(
            tf.cast(hidden, self.logits_dtype),
            tf.cast(tf.gather(self.table, found), self.logits_dtype),
            tf.gather(self.bias, found) - log_pi,
            targets,
        )
        return tf.where(known, loss, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "counts": self.counts,
            "negatives": self.negatives,
            "alpha": self.alpha,
            "seed": self.seed,
            "logits_dtype": self.logits_dtype,
        }
