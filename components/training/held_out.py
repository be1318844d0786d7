"""Calibration of a finished model, and measurement of its mixture, on the eval split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from components.layers.mixture.layer import NgramMixture
from components.layers.outputs import ClassOutput
from components.names import name_of
from components.training.layout import LABEL, Batch
from components.training.model import VocabularyClassifier
from components.training.rows.hidden import AtLabels, at_labels

# Labels that are read, about: more would not change a single number per target.
_LABELS = 16_384


class Calibrated(NamedTuple):
    """Account of a calibration.

    Attributes:
        sharpness: Sharpness of each further target that is a category, by column.
        mixture: Description of the mixture of the label, None without one. `order`, tokens of the longest n-gram;
            `ngrams`, the number of n-grams by length; `bytes`, the size of the counts; `mean_gate`, the mean share of
            the model in the eval split; `cache`, the number of tokens that the cache reads, and `mean_cache`, its mean
            share, None without a cache; `pairs`, the number of kept pairs of a token and a label in the same row, and
            `mean_pairs`, their mean share, None without pairs.
    """

    sharpness: dict[str, float]
    mixture: dict[str, Any] | None


def calibrate(model: VocabularyClassifier, batches: tf.data.Dataset) -> Calibrated:
    """Calibrate the mixture of the label, and the further targets that are categories.

    Training makes both too sure. A mixture relies on the model as on labels that it has seen before, see
    `components.layers.mixture.gate`. The windows of one row share its category, and the model repeats it as often, see
    `components.layers.calibration`. The rows of the eval split tell how sure they may be.

    Args:
        model: Model with its final weights, outside of any distribution strategy.
        batches: Data set of (model inputs, targets) of the eval split.
    """
    mixture = getattr(model.answers[LABEL], "mixture", None)
    outputs = {name: output for name, output in model.further.items() if isinstance(output, ClassOutput)}
    calibrated = {**outputs, **({LABEL: model.answers[LABEL]} if mixture is not None else {})}
    read = [at_labels(model.encoder, inputs, targets) for inputs, targets in _some(batches)] if calibrated else []
    if read:
        hidden = tf.concat([each.hidden for each in read], axis=0)
        counted = tf.concat([each.counted for each in read], axis=0) if mixture is not None else None
        for name, output in calibrated.items():
            labels = tf.concat([each.targets[name] for each in read], axis=0)
            if bool(tf.reduce_any(labels >= 0)):
                output.calibrate(hidden, labels, **model.context(name, counted))
    return Calibrated(
        {name_of(name): float(output.sharpness.numpy()) for name, output in outputs.items()},
        None if mixture is None else _described(mixture, read),
    )


def _described(mixture: NgramMixture, read: Sequence[AtLabels]) -> dict[str, Any]:
    """Return the description of a mixture, with its mean shares in the labels that were read."""
    gates = [mixture.gates(each.hidden, each.counted) for each in read]
    counts, cache, pairs = mixture.counts, mixture.cache, mixture.pairs
    means = tf.reduce_mean(tf.concat(gates, axis=0), axis=0).numpy().tolist() if gates else []
    shares = dict(zip(mixture.others, means[2:], strict=False))  # Empty without a batch.
    return {
        "order": counts.order,
        "ngrams": {str(length): each.keys.shape[0] for length, each in enumerate(counts.orders, start=2)},
        "bytes": mixture.bytes,
        "mean_gate": means[0] if means else None,
        "cache": cache.length if cache is not None else 0,
        "mean_cache": shares.get(cache),
        "pairs": pairs.order.keys.shape[0] if pairs is not None else 0,
        "mean_pairs": shares.get(pairs),
    }


def _some(batches: tf.data.Dataset) -> Iterator[tuple[Batch, Batch]]:
    """Yield batches until they have enough labels."""
    read = 0
    for inputs, targets in batches:
        yield inputs, targets
        read += int(tf.size(targets[LABEL]))
        if read >= _LABELS:
            return
