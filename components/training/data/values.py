"""Inputs and targets of the model for windows: the values of their tokens, and of their rows."""

from __future__ import annotations

from dataclasses import replace

import tensorflow as tf

from components.layers.encoders.basket.layer import AGES
from components.layers.losses.labels import PADDING
from components.preprocessing.preprocessing import BASKET
from components.training.data.layout import COUNTED, HISTORY, LABEL, Batch, Layout
from components.training.data.weights import WEIGHT, label_weights
from components.training.data.windows import Windows


def model_inputs(windows: Windows, features: Batch, layout: Layout) -> Batch:
    """Return the inputs of the model: `input_ids` (windows, K), and the features of the row of each window, (windows,).

    The token features, (windows, K), are those of the tokens of a window, never those of its label, which follows them.
    A mixture with counts also gets the tokens to look up: `COUNTED` (windows, layout.counted). With baskets, `AGES`
    (windows, K) is the age of the basket of each token: 1 for the latest, 0 for padding. The bonus for repeated classes
    gets `HISTORY` (windows, K, 2): the class of each token, -1 outside the vocabulary and for padding, and its age.
    """
    chosen = row_features(windows.rows, features, layout)
    if layout.counted:
        chosen[COUNTED] = counted_tokens(windows, features, layout)
    paddings = layout.token_paddings
    for name, values in token_values(features, layout).items():
        chosen[name] = windows.cut_of(values, layout.context, paddings[name])
    if layout.baskets:
        ages = basket_ages(windows, features, layout)
        chosen[AGES] = ages
        if layout.repeats:
            classes = windows.cut_of(tf.cast(features["label_ids"].values, tf.int32), layout.context, -1)
            chosen[HISTORY] = tf.stack([classes, ages], axis=-1)
    return {"input_ids": windows.cut(layout.context, layout.padding), **chosen}


def token_values(features: Batch, layout: Layout) -> Batch:
    """Return the token features of all rows, one value for each token: (tokens,) float32 or int32, by name."""
    numbers = {name: features[name].values for name in layout.token_numbers}
    categories = {name: tf.cast(features[name].values, tf.int32) for name in layout.token_categories}
    return {**numbers, **categories}


def basket_ages(windows: Windows, features: Batch, layout: Layout) -> tf.Tensor:
    """Return the ages of the baskets of the tokens of windows, 1 for the latest, 0 for padding: (windows, K) int32."""
    numbers = windows.cut_of(features[BASKET].values, layout.context, -1)
    return tf.cast(
        tf.where(numbers < 0, tf.zeros_like(numbers), tf.expand_dims(windows.baskets, 1) - numbers), tf.int32
    )


def counted_tokens(windows: Windows, features: Batch, layout: Layout) -> tf.Tensor:
    """Return the last tokens before each label, with the ids of the n-gram counts: (windows, layout.counted) int32.

    The ids are those of `components.baselines.reading.Encoder`: the ids of the label vocabulary for shape `sequence`,
    otherwise of the input vocabulary; then one id for all other tokens, and one for the positions before the first
    token.

    Args:
        windows: Windows, each from the start of its row.
        features: Parsed rows.
        layout: Layout of an example.
    """
    if not layout.counted:
        return tf.zeros([windows.count, 0], tf.int32)
    other = layout.counted_ids
    if layout.shape == "sequence":
        labels = tf.cast(features["label_ids"].values, tf.int32)
        ids = tf.where(labels < 0, other, labels)
    else:
        ids = tf.minimum(windows.values, other)
    return replace(windows, values=ids).cut(layout.counted, other + 1)


def model_targets(windows: Windows, features: Batch, layout: Layout) -> Batch:
    """Return the targets of the model: `label`, and the further targets of the row of each window.

    Classes are (windows,) int32, -1 if unknown or missing. Several labels are (windows, most) int32, with `PADDING`
    after the last label of a row; see `Layout.most_labels`. Numbers are (windows,) float32 in the units of the column,
    NaN if missing. With weights, the key `WEIGHT` holds them, (windows,) float32.
    """
    labels = windows.labels
    if isinstance(labels, tf.RaggedTensor):
        labels = labels.to_tensor(PADDING, shape=[None, layout.most_labels])
    weights = {WEIGHT: label_weights(windows, features, layout)} if layout.weighted else {}
    return {LABEL: labels, **row_targets(windows.rows, features, layout), **weights}


def row_features(rows: tf.Tensor, features: Batch, layout: Layout) -> Batch:
    """Return the features of the rows with the given indices."""
    return {name: tf.gather(features[name], rows) for name in (*layout.numbers, *layout.categories)}


def row_targets(rows: tf.Tensor, features: Batch, layout: Layout) -> Batch:
    """Return the further targets of the rows with the given indices."""
    numbers = {name: tf.gather(features[name], rows) for name in layout.target_numbers}
    classes = {name: tf.cast(tf.gather(features[name], rows), tf.int32) for name in layout.target_counts}
    return {**numbers, **classes}
