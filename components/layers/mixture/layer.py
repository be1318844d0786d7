"""Layer that mixes the softmax of an output with n-gram counts and a cache of the row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.layers.classes.sweep import Sweep
from components.layers.mixture.cache import Cache
from components.layers.mixture.counts import Counts
from components.layers.mixture.gate import Gate, log_probabilities, mixture_loss
from components.layers.mixture.lookup import Lookup, Sources
from components.layers.mixture.pairs import Pairs
from components.layers.mixture.sweep import mixture_sweep
from components.layers.mixture.tables import Tables


class NgramMixture(keras.layers.Layer):
    """Layer that mixes a softmax, Kneser-Ney counts, and a cache and pairs of the row, with a learned gate.

        p(j | h) = g softmax_j(z) + g_counts p_count(j | last tokens)
                   + g_cache p_cache(j | tokens of the row) + g_pairs p_pairs(j | tokens of the row)

    The shares g sum to 1 and depend on h. Cache and pairs are optional. The gate and the model train together, on
    estimates that leave the training example out of the counts; see `counts.Counts`, `cache.Cache`, `pairs.Pairs` and
    `gate.Gate`.

    The model trains with the gradient of its own loss, -log p_model. The mixture loss would scale this gradient by the
    model's share of p. Early in training the counts predict better, so g would fall, and the model would learn less
    than without a mixture.

    Source: Neubig and Dyer, "Generalizing and Hybridizing Count-based and Neural Language Models" (2016).

    Args:
        tables: Counts of n-grams and pairs.
        cache: Number of tokens before a label that the cache reads. 0: no cache.
        pairs: Number of tokens before a label whose pairs with the label are in the tables. 0: no pairs.
    """

    def __init__(self, tables: Tables, cache: int = 0, pairs: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.counts = Counts(tables, name="counts")
        self.cache = Cache(cache, tables.unigrams, name="cache") if cache else None
        self.pairs = Pairs(pairs, tables.pairs, tables.classes, name="pairs") if pairs else None
        features = self.counts.features + sum(other.features for other in self.others)
        self.gate = Gate(features, [other.first for other in self.others], name="gate")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights of the gate and of the further parts.

        Args:
            input_shape: Shape of the hidden vectors, (batch, width).
        """
        self.gate.build(input_shape)
        for other in self.others:
            other.build()
        self.built = True

    @property
    def others(self) -> list[Cache | Pairs]:
        """Parts beside the n-grams."""
        return [other for other in (self.cache, self.pairs) if other is not None]

    @property
    def bytes(self) -> int:
        """Size of the counts in bytes."""
        return self.counts.bytes + (self.pairs.bytes if self.pairs is not None else 0)

    @property
    def lookup_weights(self) -> list[keras.Variable]:
        """Weights that hold the counts and that training does not change."""
        return [*self.counts.weights, *(self.pairs.order.weights if self.pairs is not None else [])]

    def row_losses(
        self, hidden: tf.Tensor, context: tf.Tensor, labels: tf.Tensor, model_losses: tf.Tensor
    ) -> tf.Tensor:
        """Return the loss of each row of a training batch, (batch,) float32 nats; 0 for the label -1.

        The value is -log p. The gate gets the gradient of -log p, and the model gets the gradient of `model_losses`.

        Args:
            hidden: (batch, width) float.
            context: (batch, k) context ids, the latest last.
            labels: (batch,) integers, -1 outside the vocabulary. The counts must include each of these examples.
            model_losses: (batch,) float32, -log p_model(label).
        """
        known = tf.maximum(labels, 0)
        lookup = self._lookup(context, known, leave_out=True)
        # Masked here too, because a NaN that `where` removes from the loss would stay in the gradient.
        others = [tf.where(labels >= 0, each, 1.0) for each in lookup.probabilities]
        fixed = tf.stop_gradient(model_losses)
        losses = mixture_loss(fixed, self._shares(hidden, lookup), others)
        # `model_losses - fixed` is 0, but its gradient is the gradient of `model_losses`.
        return tf.where(labels >= 0, losses + model_losses - fixed, 0.0)

    def calibrate(self, hidden: tf.Tensor, context: tf.Tensor, labels: tf.Tensor, model_losses: tf.Tensor) -> None:
        """Fit the gate to examples that the model was not trained on: see `gate.Gate.calibrate`.

        Args:
            hidden: (batch, width) float.
            context: (batch, k) context ids, the latest last.
            labels: (batch,) integers, all in the vocabulary.
            model_losses: (batch,) float32, -log p_model(label) over all classes.
        """
        lookup = self._lookup(context, labels)
        logs = log_probabilities(model_losses, lookup.probabilities)
        self.gate.calibrate(hidden, lookup.features, lookup.empty, logs)

    def gates(self, hidden: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        """Return the shares of the model, the n-grams and each of `others` in each row, (batch, parts) float32.

        Args:
            hidden: (batch, width) float.
            context: (batch, k) context ids, the latest last.
        """
        return tf.exp(self._shares(hidden, self._lookup(context, None)))

    def scorer(self, hidden: tf.Tensor, context: tf.Tensor) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
        """Return a function that computes the log probabilities of some classes for some rows.

        Args:
            hidden: (batch, width) float, which the gate reads.
            context: (batch, k) context ids, the latest last.

        Returns:
            Function that takes (n,) indices of rows, (n,) classes and (n,) values of -log p_model for these classes,
            and returns (n,) float32 log probabilities.
        """
        shares = self._shares(hidden, self._lookup(context, None))

        def log_probabilities(of: tf.Tensor, classes: tf.Tensor, model_losses: tf.Tensor) -> tf.Tensor:
            lookup = self._lookup(tf.gather(context, of), classes)
            return -mixture_loss(model_losses, tf.gather(shares, of), lookup.probabilities)

        return log_probabilities

    def sweep(
        self,
        hidden: tf.Tensor,
        softmax: tuple[tf.Tensor, Any, Any],
        context: tf.Tensor,
        labels: tf.Tensor | None = None,
        k: int = 0,
    ) -> Sweep:
        """Measure labels and find the k most probable classes: see `sweep.mixture_sweep`.

        Args:
            hidden: (batch, width) float, which the gate reads.
            softmax: (batch, width) vectors, (classes, width) class vectors and (classes,) bias, float32. The logits
                are the products of the first two, plus the third.
            context: (batch, k) context ids, the latest last.
            labels: (batch,) integers, -1 outside the vocabulary; None if neither nll nor rank is needed.
            k: Number of the most probable classes to find.
        """
        lookup = self._lookup(context, None if labels is None else tf.maximum(labels, 0))
        return mixture_sweep(*softmax, self._shares(hidden, lookup), self._sources, lookup, labels, k)

    @property
    def _sources(self) -> Sources:
        return Sources(self.counts, self.others)

    def _lookup(self, context: tf.Tensor, labels: tf.Tensor | None, leave_out: bool = False) -> Lookup:
        """Look up contexts and labels. None: the labels do not matter, and class 0 is looked up."""
        some = tf.zeros(tf.shape(context)[:1], tf.int64) if labels is None else labels
        return self._sources.find(context, some, leave_out)

    def _shares(self, hidden: tf.Tensor, lookup: Lookup) -> tf.Tensor:
        """Return the logarithms of the shares, (batch, parts) float32."""
        return self.gate(hidden, lookup.features, lookup.empty)
