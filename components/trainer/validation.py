"""Measuring a model on the eval split with the full softmax."""

from __future__ import annotations

import math

import tensorflow as tf

from components.trainer.model import VocabularyClassifier


class Validator:
    """Measures a model on a fixed data set, on all replicas.

    Args:
        model: built.
        batches: of (model inputs, labels).
        strategy: what the model was made under.
    """

    def __init__(self, model: VocabularyClassifier, batches: tf.data.Dataset, strategy: tf.distribute.Strategy) -> None:
        self._batches = strategy.experimental_distribute_dataset(batches)

        @tf.function(reduce_retracing=True)
        def sums(batch: tuple) -> tf.Tensor:
            each = strategy.run(model.validation_sums, args=batch)
            return strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)

        self._sums = sums

    def measure(self) -> dict[str, float]:
        """nll (nats) and perplexity over known labels; recall@10 and MRR@10 over all, unknown ones being misses."""
        total = [0.0] * 5
        for batch in self._batches:
            total = [a + float(b) for a, b in zip(total, self._sums(batch).numpy(), strict=True)]
        count, known, nll, hits, reciprocal = total
        nll = nll / known if known else math.nan
        return {
            "nll": nll,
            "perplexity": math.exp(min(nll, 700.0)),
            "recall_at_10": hits / count if count else math.nan,
            "mrr_at_10": reciprocal / count if count else math.nan,
        }
