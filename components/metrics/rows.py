"""Sums of labels by row: in TensorFlow for the model, in NumPy for the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.layers.losses.labels import PADDING
from components.metrics.bands import BandSpec
from components.metrics.definitions import WEIGHT, WEIGHTED, Sum

Tensors = dict[str, tf.Tensor]


def label_values(
    sums: Sequence[Sum],
    values: Mapping[str, tf.Tensor],
    *,
    bands: BandSpec | None = None,
    given: tf.Tensor | None = None,
) -> Tensors:
    """Return the contribution of each label, or of each row with several labels, to each sum.

    Args:
        sums: Sums of one kind of label or target.
        values: Raw values of the labels, (n,) each: `label` (-1 outside the vocabulary), `nll` (nats), `rank`, and
            for sums of the model alone `confidence` and `correct`; or `answer`, `number` (NaN if missing) and the
            scalar `mean`, in the column's units. For n rows with several labels, the values of
            `components.layers.losses.several_values`, with `size` among them. `weight`, to return also the sums in
            which each label, or each row with several, counts by its weight.
        bands: Bands, to return also the sums of each band, with names such as `nll_head`.
        given: (n,) bool, True if the row of a class has a value, known or not. By default, all rows have a value.

    Returns:
        (n,) contributions by name, in the order of `Target.sum_names`. Classes: float32. Numbers: float64, because
        float32 cannot hold the square of 1e21. Several labels: float64, because the weights of the labels of a row sum
        to 1.
    """
    if "size" in values:
        return _several_values(sums, values, bands)
    if "number" in values:
        dtype, mask = tf.float64, ~tf.math.is_nan(values["number"])
        values = {name: tf.cast(value, dtype) for name, value in values.items()}
    else:
        dtype, mask = tf.float32, tf.ones_like(values["label"], tf.bool) if given is None else given
        values = {**values, "known": values["label"] >= 0}
    zero = tf.zeros([], dtype)
    found = {of.name: tf.cast(of.tensorflow(*(values[need] for need in of.needs)), dtype) for of in sums}
    masks = _masks(values["label"], mask, bands) if bands else {"": mask}
    plain = {f"{name}{band}": tf.where(m, value, zero) for band, m in masks.items() for name, value in found.items()}
    return plain | _weighted({name: plain[name] for name in found}, values)


def _several_values(sums: Sequence[Sum], values: Mapping[str, tf.Tensor], bands: BandSpec | None) -> Tensors:
    """Return the contribution of each row with several labels to each sum, (n,) float64."""
    labels, dtype = values["label"], tf.float64
    values = {name: tf.cast(value, dtype) if value.dtype.is_floating else value for name, value in values.items()}
    values["known"] = labels >= 0
    mask, zero = labels > PADDING, tf.zeros([], dtype)
    found = {of: tf.cast(of.tensorflow(*(values[need] for need in of.needs)), dtype) for of in sums}
    plain = {
        # A sum of the model alone has a value for each row, the others for each label.
        f"{of.name}{band}": tf.where(tf.reduce_any(m, axis=1), value, zero)
        if of.of_model
        else tf.reduce_sum(tf.where(m, value, zero), axis=1)
        for band, m in _masks(labels, mask, bands).items()
        for of, value in found.items()
    }
    return plain | _weighted({of.name: plain[of.name] for of in found}, values)


def _weighted(sums: Tensors, values: Mapping[str, tf.Tensor]) -> Tensors:
    """Return the sums times the weights, with the suffix of `WEIGHTED`; empty without weights."""
    if WEIGHT not in values:
        return {}
    weights = values[WEIGHT]
    # An infinite sum times a weight of 0 would be NaN.
    return {
        f"{name}_{WEIGHTED}": tf.where(weights > 0, value * tf.cast(weights, value.dtype), tf.zeros([], value.dtype))
        for name, value in sums.items()
    }


def _masks(labels: tf.Tensor, mask: tf.Tensor, bands: BandSpec | None) -> Tensors:
    """Return the mask of all labels, and the masks of the labels in each band, by the suffixes of their sums."""
    return {"": mask, **({f"_{band}": mask & of for band, of in bands.masks(labels).items()} if bands else {})}


def by_row(values: Tensors, labels: tf.Tensor, rows: tf.Tensor) -> Tensors:
    """Sum labels by row: (n,) each -> (rows,) each.

    Args:
        values: (n,) contributions of the labels, by name.
        labels: (n,) row of each label.
        rows: Number of rows.
    """
    return {name: tf.math.unsorted_segment_sum(value, labels, rows) for name, value in values.items()}


def row_sums(
    sums: Sequence[Sum],
    values: Mapping[str, NDArray | float],
    rows: NDArray[np.int64],
    n_rows: int,
    *,
    bands: BandSpec | None = None,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Sum labels by row, as `label_values` and `by_row` do in TensorFlow.

    Args:
        sums: Sums of classes, or sums of numbers.
        values: Raw values of the labels that are present, as in `label_values`; numbers without NaN. `weight` is that
            of each label, also with several labels per row.
        rows: (n,) row of each label, in [0, n_rows).
        n_rows: Number of rows.
        bands: Bands, to return also the sums of each band.
        weights: (n_rows,) number of labels that each row represents; 1 by default. `weight` is then that of all these
            labels together.

    Returns:
        (n_rows, columns) sums, in the order of `Target.sum_names`.
    """
    masks: list[NDArray[np.bool_]] = [np.ones(len(rows), bool)]
    if "number" not in values:
        labels = np.asarray(values["label"])
        values = {**values, "known": labels >= 0}
        masks += bands.masks(labels).values() if bands else []
    found = [np.asarray(of.numpy(*(values[need] for need in of.needs)), np.float64) for of in sums]
    counted = found if weights is None else [value * weights[rows] for value in found]
    columns = [np.bincount(rows[mask], value[mask], n_rows) for mask in masks for value in counted]
    if WEIGHT in values:
        factors = np.asarray(values[WEIGHT], np.float64)
        some = factors > 0  # An infinite sum times 0 would be NaN.
        columns += [np.bincount(rows[some], value[some] * factors[some], n_rows) for value in found]
    return np.stack(columns, axis=1).astype(np.float64)
