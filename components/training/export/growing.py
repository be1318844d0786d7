"""Parts of an export with features of labels, to which labels can be added without training.

`assets.extra/label_features.json` contains the vocabularies and moments of the features (`FittedFeatures`), and whether
labels can be added. The signature `label_vectors` computes the class vectors and biases of labels from their features.
The graph does not depend on the number of classes, so new rows of the two variables of classes, and new lines of the
vocabulary file `assets/labels`, add labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from components.labels.features import FittedFeatures
from components.layers.label_features.table import FeatureTable
from components.training.model import VocabularyClassifier

FEATURES_FILE = "assets.extra/label_features.json"
LABELS_FILE = "assets/labels"
_NUMBERS = "numbers"


class Growing:
    """Class vectors and biases of an export to which rows can be added.

    Args:
        model: Frozen model with features of labels and without a mixture.
    """

    SIGNATURE: ClassVar[str] = "label_vectors"
    """Name of the signature."""
    VARIABLES: ClassVar[tuple[str, str]] = ("class_vectors", "class_biases")
    """Names of the variables of all classes, and of the outputs of the signature."""

    def __init__(self, model: VocabularyClassifier) -> None:
        self._head, self._features = model.label.head, model.label_features
        self.variables: tuple[tf.Variable, ...] = self._head.frozen

    def signature(self) -> Any:
        """Return the function of the signature.

        Its arguments are `numbers`, (n, numbers) float32; and for each feature, by its place i among them, `entries_i`,
        (m,) int64, and `sizes_i`, (n,) int64.
        """
        names, stored = list(self._features.entry_tables), self._features.stored
        count = 0 if stored.numbers is None else stored.numbers.shape[1]
        specs = {_NUMBERS: tf.TensorSpec([None, count], tf.float32, name=_NUMBERS)}
        for place in range(len(names)):
            for part in ("entries", "sizes"):
                specs[f"{part}_{place}"] = tf.TensorSpec([None], tf.int64, name=f"{part}_{place}")

        def label_vectors(**given: tf.Tensor) -> dict[str, tf.Tensor]:
            bags = {name: (given[f"entries_{i}"], given[f"sizes_{i}"]) for i, name in enumerate(names)}
            rows = self._head.unseen_rows(bags, given[_NUMBERS])
            return dict(zip(self.VARIABLES, rows, strict=True))

        return tf.function(label_vectors, autograph=False).get_concrete_function(**specs)


def arguments(table: FeatureTable) -> dict[str, tf.Tensor]:
    """Return the arguments of the signature for the labels of a table."""
    given = {_NUMBERS: tf.constant(table.numbers)}
    for place, bag in enumerate(table.bags.values()):
        given[f"entries_{place}"] = tf.constant(bag.entries, tf.int64)
        given[f"sizes_{place}"] = tf.constant(np.diff(bag.starts), tf.int64)
    return given


def write_features(directory: str, features: FittedFeatures, growing: Growing | None) -> None:
    """Write the vocabularies and moments of the features of labels to an export.

    Args:
        directory: Folder of the SavedModel.
        features: Vocabularies and moments.
        growing: None if no label can be added.
    """
    about = {"grows": growing is not None, "features": features.model_dump(mode="json")}
    with tf.io.gfile.GFile(f"{directory}/{FEATURES_FILE}", "w") as file:
        file.write(json.dumps(about, indent=1, ensure_ascii=False))


def read_features(about: Mapping[str, Any]) -> FittedFeatures:
    """Return the vocabularies and moments in the contents of `FEATURES_FILE`."""
    return FittedFeatures.model_validate(about["features"])
