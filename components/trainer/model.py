"""The model: an encoder, and a head over all classes that trains on a sample of them."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportReturnType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from components.trainer.encoder import SharedProjection
from components.trainer.head import SampledSoftmax, step_seed
from components.trainer.softmax import chunk_rows, in_chunks, nll_and_rank
from components.trainer.spec import TrainerSpec
from components.trainer.windows import Batch, Layout


class VocabularyClassifier(keras.Model):
    """Trains with the head's sampled loss (`fit` reports its mean), and is validated with the full softmax."""

    def __init__(self, encoder: keras.layers.Layer, head: SampledSoftmax, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encoder, self.head = encoder, head
        self.loss_mean = keras.metrics.Mean("loss")

    def call(self, inputs: Batch) -> tf.Tensor:
        """Logits: (batch, classes)."""
        return self.head(self.encoder(inputs))

    def train_step(self, data: tuple[Batch, tf.Tensor]) -> dict[str, tf.Tensor]:
        inputs, labels = data
        variables = self.trainable_variables
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        seed = step_seed(self.head.seed, self.optimizer.iterations)
        with tf.GradientTape() as tape:
            losses = self.head.sampled_loss(self.encoder(inputs, dropout_seed=seed), labels, seed)
            # Keras sums the gradients over the replicas: each brings its share of the mean.
            loss = tf.reduce_mean(losses) / replicas
        gradients = tape.gradient(loss, [v.value for v in variables])
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.loss_mean.update_state(losses)
        return {"loss": self.loss_mean.result()}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.loss_mean]

    def validation_sums(self, inputs: Batch, labels: tf.Tensor) -> tf.Tensor:
        """(5,) float32 sums: labels, known labels, nll over these (nats), hits and reciprocal ranks up to 10."""
        labels = tf.cast(labels, tf.int32)
        nll, rank = self.nll_and_rank(inputs, labels)
        among = tf.cast(rank <= 10, tf.float32)
        known = tf.cast(labels >= 0, tf.float32)
        columns = [tf.ones_like(known), known, nll, among, among / tf.cast(rank, tf.float32)]
        return tf.stack([tf.reduce_sum(column) for column in columns])

    def nll_and_rank(self, inputs: Batch, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Of each label under the full softmax, in chunks: see `softmax.nll_and_rank`."""
        hidden = self.encoder(inputs)
        return in_chunks(
            tf.shape(labels)[0],
            chunk_rows(self.head.classes),
            lambda start, end: nll_and_rank(self.head(hidden[start:end]), labels[start:end]),
            (tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.int32)),
        )


def build_model(spec: TrainerSpec, layout: Layout, counts: Sequence[int]) -> VocabularyClassifier:
    """The model of a configuration, with all its variables made.

    Args:
        spec: what is to be built.
        layout: what a window is made of.
        counts: occurrences of each label, in the order of the ids.
    """
    m = spec.model
    encoder = SharedProjection(
        ids=layout.padding + 1,
        embedding=m.embedding,
        projection=m.projection,
        numbers=layout.numbers,
        categories=layout.categories,
        feature_embedding=m.feature_embedding,
        hidden=m.hidden,
        activation=m.activation,
        normalize=m.normalize,
        input_dropout=m.input_dropout,
        dropout=m.dropout,
        seed=spec.seed,
        name="encoder",
    )
    head = SampledSoftmax(counts, spec.head.negatives, spec.head.alpha, spec.seed, spec.head.logits, name="head")
    model = VocabularyClassifier(encoder, head, name="model")
    features = dict.fromkeys((*layout.numbers, *layout.categories), (None,))
    encoder.build({"input_ids": (None, layout.context), **features})
    head.build((None, m.hidden))
    model.built = True
    return model
