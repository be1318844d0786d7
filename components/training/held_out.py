"""Calibration of a model, and measurement of its mixture, on the eval split."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from components.layers.mixture.layer import NgramMixture
from components.layers.outputs import ClassOutput
from components.names import name_of
from components.training.layout import LABEL, Batch
from components.training.model import VocabularyClassifier
from components.training.rows.hidden import AtLabels, at_labels

# Approximate number of labels that are read. A calibration fits at most six numbers to them. The expected excess of its
# nll over the minimum is half a nat per fitted number, divided by the number of labels: .0004 nats.
_LABELS = 8_192


class Calibrated(NamedTuple):
    """Results of a calibration.

    Attributes:
        sharpness: Sharpness of each further target that is a category, by column.
        mixture: Description of the mixture of the label; None without a mixture. `order`: number of tokens of the
            longest n-gram. `ngrams`: number of n-grams by length. `bytes`: size of the counts. `mean_gate`: mean share
            of the model in the eval split. `cache`: number of tokens that the cache reads. `mean_cache`: mean share of
            the cache, None without a cache. `pairs`: number of kept pairs of a token and a label in the same row.
            `mean_pairs`: mean share of the pairs, None without pairs.
    """

    sharpness: dict[str, float]
    mixture: dict[str, Any] | None


def calibrate(model: VocabularyClassifier, batches: tf.data.Dataset) -> Calibrated:
    """Calibrate the mixture of the label, and the further targets that are categories.

    After training, the probabilities of both are too extreme. A mixture relies on the model as for labels that the
    model was trained on, see `components.layers.mixture.gate`. All windows of a row have the category of the row, so
    the model sees the category once per window, see `components.layers.calibration`. The rows of the eval split
    determine the right probabilities.

    Args:
        model: Model with its final weights, outside of any distribution strategy.
        batches: Data set of (model inputs, targets) of the eval split.
    """
    mixture = _mixture(model)
    outputs = {name: output for name, output in model.further.items() if isinstance(output, ClassOutput)}
    read = _calibrate(model, [*outputs, *([LABEL] if mixture is not None else [])], batches)
    return Calibrated(
        {name_of(name): float(output.sharpness.numpy()) for name, output in outputs.items()},
        None if mixture is None else _described(mixture, read),
    )


@contextlib.contextmanager
def calibrated_mixture(model: VocabularyClassifier, batches: tf.data.Dataset) -> Iterator[None]:
    """Calibrate the mixture of the label as `calibrate` does, and restore the trained weights of the gate at the end.

    A validation during training must measure the model that would be exported. Without the calibration, the metrics
    would get worse as soon as the model memorizes the train split, even if the calibrated mixture still improves.

    Args:
        model: Model with any weights, under any distribution strategy.
        batches: Data set of (model inputs, targets) of the eval split.
    """
    mixture = _mixture(model)
    if mixture is None:
        yield
        return
    trained = mixture.gate.get_weights()
    try:
        _calibrate(model, [LABEL], batches)
        yield
    finally:
        mixture.gate.set_weights(trained)


def _mixture(model: VocabularyClassifier) -> NgramMixture | None:
    return getattr(model.answers[LABEL], "mixture", None)


def _calibrate(
    model: VocabularyClassifier, names: Sequence[str], batches: Iterable[tuple[Batch, Batch]]
) -> list[AtLabels]:
    """Calibrate the outputs with the given target keys, and return the labels that were read."""
    read = [at_labels(model.encoder, inputs, targets) for inputs, targets in _some(batches)] if names else []
    if read:
        hidden = tf.concat([each.hidden for each in read], axis=0)
        counted = tf.concat([each.counted for each in read], axis=0) if _mixture(model) is not None else None
        for name in names:
            labels = tf.concat([each.targets[name] for each in read], axis=0)
            if bool(tf.reduce_any(labels >= 0)):
                model.answers[name].calibrate(hidden, labels, **model.context(name, counted))
    return read


def _described(mixture: NgramMixture, read: Sequence[AtLabels]) -> dict[str, Any]:
    """Return the description of a mixture, with its mean shares for the labels that were read."""
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


def _some(batches: Iterable[tuple[Batch, Batch]]) -> Iterator[tuple[Batch, Batch]]:
    """Yield batches until they have enough labels."""
    read = 0
    for inputs, targets in batches:
        yield inputs, targets
        read += int(tf.size(targets[LABEL]))
        if read >= _LABELS:
            return
