"""Hidden vectors of the labels of a batch of windows or whole rows."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from components.layers.encoders.base import Encoder
from components.training.data.layout import COUNTED, HISTORY, LABEL, Batch
from components.training.data.weights import WEIGHT
from components.training.rows.cuts import NO_LABEL, TOTAL


def of_whole_rows(targets: Batch) -> bool:
    """Return True if a batch consists of whole rows, which have a label for each position."""
    return TOTAL in targets


class AtLabels(NamedTuple):
    """Labels of a batch, in the order of the rows and positions.

    Attributes:
        hidden: (labels, width) hidden vectors.
        targets: (labels,) targets, by key. Several labels of a window are (labels, most), see `windows.model_targets`.
        counted: (labels, layout.counted) tokens that a mixture with counts looks up; or (labels, K, 2) classes and ages
            of the tokens, for repeats: see `windows.model_inputs`; None without both.
    """

    hidden: tf.Tensor
    targets: Batch
    counted: tf.Tensor | None


def looked_up(inputs: Batch) -> tf.Tensor | None:
    """Return the input of a batch that the output of the label looks up, beside the hidden vectors, or None."""
    return inputs.get(COUNTED, inputs.get(HISTORY))


def at_labels(encoder: Encoder, inputs: Batch, targets: Batch, dropout_seed: tf.Tensor | None = None) -> AtLabels:
    """Encode a batch at its labels.

    Args:
        encoder: Encoder of the model.
        inputs: Inputs of the model, of windows or of whole rows.
        targets: Targets of the model.
        dropout_seed: (2,) int32 in training; None otherwise.
    """
    counted = looked_up(inputs)
    if not of_whole_rows(targets):
        return AtLabels(encoder(inputs, dropout_seed=dropout_seed), targets, counted)
    places = tf.where(targets[LABEL] != NO_LABEL)
    hidden = encoder.encode(inputs, places, dropout_seed)
    of_labels = [name for name in (LABEL, WEIGHT) if name in targets]
    of_rows = [name for name in targets if name not in (*of_labels, TOTAL)]
    flat = {name: tf.gather(targets[name], places[:, 0]) for name in of_rows}
    flat |= {name: tf.gather_nd(targets[name], places) for name in of_labels}
    return AtLabels(hidden, flat, None if counted is None else tf.gather_nd(counted, places))


def weights(targets: Batch, losses: tf.Tensor, replicas: int) -> tf.Tensor:
    """Return the weight of each label in the mean over the batch of all replicas, (labels,) float32.

    Replicas have equal shares of the windows of a batch, but not of the labels of whole rows.

    Args:
        targets: Targets of the model in the batch.
        losses: (labels,) losses of this replica.
        replicas: Number of replicas.
    """
    if of_whole_rows(targets):
        total = tf.cast(targets[TOTAL][0], tf.float32)
    else:
        total = tf.cast(tf.size(losses) * replicas, tf.float32)
    return tf.fill(tf.shape(losses), 1.0 / total)
