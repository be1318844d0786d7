"""Distributions of the weights of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.layers.outputs import ClassOutput
from components.training.model import VocabularyClassifier

_ROWS = 100_000
"""Rows of a table whose norms are computed. More rows are sampled at equal distances."""


def norms(model: VocabularyClassifier) -> dict[str, NDArray[np.float32]]:
    """Return the Euclidean norms of the rows of the tables and of the shared matrices, by name.

    Tables of more than 100,000 rows are sampled at equal distances.

    `input_embeddings`: (inputs,). `class_vectors`: (classes,), without a label that is a number.
    `shared/<name>`: the rows of each weight that all inputs share.
    """
    found = {"input_embeddings": _norms(model.encoder.embedding.embeddings.value)}
    if isinstance(model.label, ClassOutput):
        classes = model.label.head.classes
        found["class_vectors"] = _norms(model.label.head.rows(tf.constant(_places(classes), tf.int32))[0])
    for variable in model.encoder.shared_variables:
        if len(variable.shape) >= 2:
            found[f"shared/{variable.path.split('/', 1)[-1]}"] = _norms(variable.value)
    return found


def temperatures(model: VocabularyClassifier) -> dict[str, float]:
    """Return the numbers that scale the logits of the label, by name.

    `similarity`: the factor of the similarity, if it is learned. The others are those of the calibration, which keeps
    its initial values until the end of the training.
    """
    if not isinstance(model.label, ClassOutput):
        return {}
    head = model.label.head
    found = {weight.name: float(np.asarray(weight)) for weight in model.label.calibration_weights}
    if head.log_temperature is not None:
        found["similarity"] = float(np.exp(np.asarray(head.log_temperature)))
    return found


def _places(rows: int) -> NDArray[np.int64]:
    return np.arange(0, rows, -(-rows // _ROWS))


def _norms(table: Any) -> NDArray[np.float32]:
    rows = tf.reshape(table, [-1, table.shape[-1]])
    if rows.shape[0] > _ROWS:
        rows = tf.gather(rows, _places(rows.shape[0]))
    return tf.norm(rows, axis=1).numpy()
