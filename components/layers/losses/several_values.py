"""Values of rows with several labels from which metrics are computed."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.layers.losses.bonuses import Bonuses
from components.layers.losses.labels import PADDING, Labels, LossName
from components.layers.losses.several_sweep import sweep_several


def several_values(
    hidden: tf.Tensor,
    table: Any,
    bias: Any,
    targets: tf.Tensor,
    inverse: tf.Tensor,
    loss: LossName = "softmax",
    confidence: bool = False,
    bonuses: Bonuses | None = None,
) -> dict[str, tf.Tensor]:
    """Measure the labels of rows under the logits hidden table^T + bias.

    The nll of a row is, with "softmax", the mean over its known labels of -log p(label), and with "sigmoid" the sum of
    the cross entropies of all classes, divided by the number of its known labels.

    Args:
        hidden: (batch, width) float32; batch may be 0.
        table: (classes, width) float32.
        bias: (classes,) float32.
        targets: (batch, most) int32 distinct classes, -1 outside the vocabulary, `PADDING` after the last label; most
            may be 0.
        inverse: (classes + 1,) float32 inverse propensities, the last of them for a label outside the vocabulary.
        loss: Loss that the logits were trained with.
        confidence: True to find the most probable class too, which takes more time.
        bonuses: Numbers to add to the logits of some classes of each row; None for none.

    Returns:
        (batch, most) each:

        - `label`: int32, the targets.
        - `rank`: int32, 1 for the most probable class; 0 if the label is not known.
        - `nll`: float32, the part of the label in the nll of its row, in nats; 0 if the label is not known. With
          "softmax", the part is -log p(label), divided by the number of known labels. With "sigmoid", all parts are
          equal.
        - `size`, `known_size`: float32, number of labels of the row, and of those in the vocabulary.
        - `first`: bool, True for the best-ranked known label of the row.
        - `inverse`: float32 inverse propensity of the label; 0 for padding.
        - `ideal`: int32 place, from 1, of the label among the labels of the row in descending order of `inverse`, the
          earlier of equal labels first; padding comes last.

        With `confidence` also (batch,) float32 `confidence`, the probability of the most probable class, and `correct`,
        what this probability should be: with "sigmoid", 1 if the class is one of the labels, otherwise 0; with
        "softmax", whose probabilities are those of one label drawn from the row, 1 / `size` in place of 1.
    """
    known, is_label = targets >= 0, targets > PADDING
    found = sweep_several(hidden, table, bias, Labels.of(targets), loss, int(confidence), bonuses)
    places, shape = tf.where(known), tf.shape(targets, tf.int64)
    sizes = [tf.reduce_sum(tf.cast(mask, tf.float32), axis=1, keepdims=True) for mask in (is_label, known)]
    size, known_size = (tf.broadcast_to(number, tf.shape(targets)) for number in sizes)
    rank = tf.scatter_nd(places, found.rank, shape)
    # A class that was added after the training has no occurrences, like a label outside the vocabulary.
    last = tf.shape(inverse)[0] - 1
    weights = tf.where(is_label, tf.gather(inverse, tf.where(known, tf.minimum(targets, last), last)), 0.0)
    values = {
        "label": targets,
        "rank": rank,
        "nll": tf.math.divide_no_nan(tf.scatter_nd(places, found.nll, shape), known_size),
        "size": size,
        "known_size": known_size,
        "first": _first(rank, known),
        "inverse": weights,
        "ideal": _places(-weights),
    }
    if confidence:
        hit = (targets == found.ids[:, :1]) & known
        share = tf.math.reciprocal_no_nan(size) if loss == "softmax" else tf.ones_like(size)
        values |= {
            "confidence": found.probabilities[:, 0],
            "correct": tf.reduce_sum(tf.where(hit, share, 0.0), axis=1),
        }
    return values


def _first(rank: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Return a mask of the best-ranked known label of each row, (batch, most)."""
    ranks = tf.where(known, rank, rank.dtype.max)
    best = known & (ranks == tf.reduce_min(ranks, axis=1, keepdims=True))
    # With many classes, labels within rounding of each other may have the same rank: the first of them counts.
    return best & (tf.cumsum(tf.cast(best, tf.int32), axis=1) == 1)


def _places(values: tf.Tensor) -> tf.Tensor:
    """Return the place of each value in ascending order, from 1, in each row: (batch, most) int32."""
    order = tf.argsort(values, axis=1, stable=True)
    return 1 + tf.argsort(order, axis=1)
