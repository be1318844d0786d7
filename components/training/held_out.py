"""Calibration of a model, and measurement of its mixture, on the eval split."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components.layers.losses.labels import PADDING
from components.layers.mixture.layer import NgramMixture
from components.layers.outputs import ClassOutput
from components.metrics.definitions import WEIGHTED, Kind
from components.metrics.reliability import reliability
from components.metrics.rows import label_values
from components.metrics.sums import needed
from components.metrics.table import named
from components.names import name_of
from components.training.data.layout import LABEL, Batch
from components.training.data.weights import WEIGHT
from components.training.model import VocabularyClassifier
from components.training.rows.hidden import AtLabels, at_labels, of_whole_rows
from components.training.threshold import best_threshold

# Approximate number of labels that are read. A calibration fits at most six numbers to them. The expected excess of its
# nll over the minimum is half a nat per fitted number, divided by the number of labels: .0004 nats.
_LABELS = 8_192


class Calibrated(NamedTuple):
    """Results of a calibration.

    Attributes:
        sharpness: Sharpness of each further target that is a category, by column.
        label: Calibration of a label that is a class; None if no label that was read is known. `temperature`: see
            `ClassOutput`. `before` and `after`: `nll`, `ece`, `ece_confident` and the points of `reliability` (see
            `components.metrics.reliability`) of the labels that were read, with temperature 1 and with the fitted one.
            With weights, each label counts by its weight, divided by the mean weight of the labels that were read.
            The loss `sigmoid` has `scale` and `shift` in place of the temperature. `threshold`, only for several
            labels: see `components.training.threshold`.
        mixture: Description of the mixture of the label; None without a mixture. `order`: number of tokens of the
            longest n-gram. `ngrams`: number of n-grams by length. `bytes`: size of the counts. `mean_gate`: mean share
            of the model in the eval split. `cache`: number of tokens that the cache reads. `mean_cache`: mean share of
            the cache, None without a cache. `pairs`: number of kept pairs of a token and a label in the same row.
            `mean_pairs`: mean share of the pairs, None without pairs.
    """

    sharpness: dict[str, float]
    label: dict[str, Any] | None
    mixture: dict[str, Any] | None


def calibrate(model: VocabularyClassifier, batches: tf.data.Dataset, top_k: int = 1) -> Calibrated:
    """Calibrate the label, its mixture, and the further targets that are categories.

    After training, the probabilities are too extreme, and the rows of the eval split determine the right ones.

    - The softmax of the label gets a temperature, see `components.layers.calibration`. The temperature stays 1 unless
      another one lowers the nll of the labels that were read, and does not raise their expected calibration error. A
      mixture, whose gate is calibrated anyway, often keeps 1. With the loss `sigmoid`, a scale and a shift of the
      logits take the place of the temperature.
    - A mixture relies on the model as for labels that the model was trained on, see `components.layers.mixture.gate`.
      Its gate is calibrated with the temperature.
    - All windows of a row have the category of the row, so the model sees a further target once per window. Its output
      gets a sharpness, see `components.layers.calibration`.

    With weights, all of these minimize the weighted mean, and labels with weight 0 are not read.

    Args:
        model: Model with its final weights, outside of any distribution strategy.
        batches: Data set of (model inputs, targets) of the eval split.
        top_k: Number of labels in an answer, for the threshold of several labels.
    """
    mixture = _mixture(model)
    outputs = {name: output for name, output in model.further.items() if isinstance(output, ClassOutput)}
    read = read_labels(model, batches) if outputs or isinstance(model.label, ClassOutput) else None
    if read is not None:
        for name in outputs:
            _calibrate(model, name, read)
    return Calibrated(
        {name_of(name): float(output.sharpness.numpy()) for name, output in outputs.items()},
        None if read is None else _calibrate_label(model, read, top_k),
        None if mixture is None else _described(mixture, read),
    )


@contextlib.contextmanager
def calibrated_mixture(model: VocabularyClassifier, batches: tf.data.Dataset) -> Iterator[None]:
    """Calibrate the mixture of the label, and restore the trained weights of its gate at the end.

    A validation during training must measure the model that would be exported. Without the calibration, the metrics
    would get worse as soon as the model memorizes the train split, even if the calibrated mixture still improves. The
    temperature of the softmax stays 1, because its fit takes several passes over the classes.

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
        if (read := read_labels(model, batches)) is not None:
            _calibrate(model, LABEL, read)
        yield
    finally:
        mixture.gate.set_weights(trained)


def _mixture(model: VocabularyClassifier) -> NgramMixture | None:
    return getattr(model.answers[LABEL], "mixture", None)


def read_labels(model: VocabularyClassifier, batches: Iterable[tuple[Batch, Batch]]) -> AtLabels | None:
    """Return the hidden vectors and targets of about `_LABELS` labels, or None without a batch.

    Args:
        model: Model with its final weights.
        batches: Data set of (model inputs, targets) of the eval split.
    """
    read = [at_labels(model.encoder, inputs, targets) for inputs, targets in _some(batches)]
    if not read:
        return None
    names = [*model.answers, *({WEIGHT} & read[0].targets.keys())]
    found = AtLabels(
        tf.concat([each.hidden for each in read], axis=0),
        {name: tf.concat([each.targets[name] for each in read], axis=0) for name in names},
        tf.concat([each.counted for each in read], axis=0) if read[0].counted is not None else None,
    )
    return _with_weight(found) if WEIGHT in names else found


def _with_weight(read: AtLabels) -> AtLabels | None:
    """Return the labels with a weight above 0, with the mean weight 1; None without any."""
    kept = tf.where(read.targets[WEIGHT] > 0)[:, 0]
    if not len(kept):
        return None
    targets = {name: tf.gather(values, kept) for name, values in read.targets.items()}
    targets[WEIGHT] /= tf.reduce_mean(targets[WEIGHT])
    counted = None if read.counted is None else tf.gather(read.counted, kept)
    return AtLabels(tf.gather(read.hidden, kept), targets, counted)


def _calibrate(model: VocabularyClassifier, name: str, read: AtLabels) -> None:
    """Calibrate the output with a target key: see `ClassOutput.calibrate`."""
    labels = read.targets[name]
    if bool(tf.reduce_any(labels >= 0)):
        context = model.context(name, read.counted)
        model.answers[name].calibrate(read.hidden, labels, **context, weights=read.targets.get(WEIGHT))


def _calibrate_label(model: VocabularyClassifier, read: AtLabels, top_k: int) -> dict[str, Any] | None:
    """Fit the temperature of the label and calibrate its mixture, and return a description: see `Calibrated`."""
    output, labels = model.label, read.targets[LABEL]
    if not isinstance(output, ClassOutput) or not bool(tf.reduce_any(labels >= 0)):
        return None
    gate = output.mixture.gate if output.mixture is not None else None
    weights = read.targets.get(WEIGHT)

    def measured() -> dict[str, Any]:
        if gate is not None:
            gate.set_weights(trained)
            _calibrate(model, LABEL, read)
        values = output.row_values(read.hidden, labels, confidence=True, **model.context(LABEL, read.counted))
        if weights is not None:
            values[WEIGHT] = weights
        return _measured("several" if output.several else "label", values)

    trained = gate.get_weights() if gate is not None else []
    output.reset_calibration()
    before = measured()
    calibrated = gate.get_weights() if gate is not None else []
    output.fit_temperature(read.hidden, labels, **model.context(LABEL, read.counted), weights=weights)
    after = measured()
    nlls = before["nll"], after["nll"]
    # The fit lowers the nll of the softmax. The error of a mixture with it may still rise.
    if None in nlls or not (nlls[1] < nlls[0] and after["ece"] <= before["ece"]):
        output.reset_calibration()
        if gate is not None:
            gate.set_weights(calibrated)
        after = before
    fitted = {weight.name: float(weight.numpy()) for weight in output.calibration_weights}
    if output.loss is not None:
        fitted["threshold"] = _threshold(model, read, top_k, weights)
    return {**fitted, "before": before, "after": after}


def quantize(model: VocabularyClassifier, read: AtLabels | None) -> dict[str, Any]:
    """Replace the class vectors of the label by int8 vectors, and measure the loss.

    Args:
        model: Frozen and calibrated model without features of labels.
        read: Labels that the model was not trained on; None without any.

    Returns:
        `bytes` and `float_bytes`, the size of the vectors after and before; `nll` and `recall_at_10`, each a list of
        the value before and after, None if not measured.
    """
    output = model.label

    def measured() -> dict[str, float | None]:
        if read is None:
            return {"nll": None, "recall_at_10": None}
        context = model.context(LABEL, read.counted)
        values = output.row_values(read.hidden, read.targets[LABEL], confidence=True, **context)
        if WEIGHT in read.targets:
            values[WEIGHT] = read.targets[WEIGHT]
        return _metrics("several" if output.several else "label", values, "nll", "recall_at_10")[0]

    before = measured()
    rows = output.head.to_int8()
    after = measured()
    sizes = {"bytes": rows.bytes, "float_bytes": 4 * rows.shape[0] * rows.shape[1]}
    return {**sizes, **{name: [before[name], after[name]] for name in before}}


def _threshold(model: VocabularyClassifier, read: AtLabels, top_k: int, weights: tf.Tensor | None) -> float:
    """Return the threshold for the answers of the calibrated model to the rows that were read."""
    classes, labels = model.label.head.classes, np.asarray(read.targets[LABEL], np.int64)
    context = model.context(LABEL, read.counted)
    found = model.label.sweep_several(read.hidden, k=min(top_k, classes), **context)
    # Each pair of a row and a class is one number.
    first = np.arange(len(labels))[:, np.newaxis] * classes
    hits = np.isin(first + found.ids.numpy(), (first + labels)[labels >= 0])
    of_rows = np.ones(len(labels)) if weights is None else weights.numpy().astype(np.float64)
    given = float((labels > PADDING).sum(axis=1) @ of_rows)
    return best_threshold(found.probabilities.numpy(), hits, given, of_rows)


def _measured(kind: Kind, values: Mapping[str, tf.Tensor]) -> dict[str, Any]:
    """Return the metrics of a calibration and the points of a reliability diagram. A metric without labels is None.

    Args:
        kind: Kind of the label: `label` or `several`.
        values: Raw values of the labels, see `ClassOutput.row_values`.
    """
    found, totals = _metrics(kind, values, "nll", "ece", "ece_confident")
    return {**found, "reliability": reliability(totals)}


def _metrics(
    kind: Kind, values: Mapping[str, tf.Tensor], *names: str
) -> tuple[dict[str, float | None], dict[str, float]]:
    """Return metrics by name, None without labels, and the sums that they need."""
    metrics = named(kind, *names)
    needs, suffix = needed(metrics, kind), f"_{WEIGHTED}" if WEIGHT in values else ""
    sums = label_values(needs, values)
    totals = {of.name: float(tf.reduce_sum(tf.cast(sums[of.name + suffix], tf.float64))) for of in needs}
    found = {metric.name: metric.formula(totals) for metric in metrics}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}, totals


def _described(mixture: NgramMixture, read: AtLabels | None) -> dict[str, Any]:
    """Return the description of a mixture, with its mean shares for the labels that were read."""
    means = [] if read is None else tf.reduce_mean(mixture.gates(read.hidden, read.counted), axis=0).numpy().tolist()
    counts, cache, pairs = mixture.counts, mixture.cache, mixture.pairs
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
        labels = targets[LABEL]
        read += int(tf.size(labels)) if of_whole_rows(targets) else int(labels.shape[0])
        if read >= _LABELS:
            return
