"""What a window is made of, and how a transformed row is parsed."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import tensorflow as tf
import tensorflow_transform as tft

from components import names
from components.ingest.spec import DataSpec, FeatureSpec, LabelKind, Shape
from components.preprocessing.vocabulary import category_file, read_vocabulary

Batch = dict[str, tf.Tensor]
LABEL = "label"
"""The main target's key among the targets of a batch; a further target's is that of its column."""


@dataclass(frozen=True)
class Layout:
    """What a window is made of.

    Columns go by the keys of `components.names.key_of`.

    Attributes:
        shape: of the data.
        context: K.
        padding: the id in places before the first token; one above all ids.
        numbers: columns that hold one number a row.
        categories: columns that hold one category a row, with their number of ids (the last one: unknown or missing).
        label_kind: whether the label is a class or a number.
        target_numbers: further targets that are a number.
        target_counts: further targets that are a category; of each class, in the order of the ids, how many rows of the
            train split have it.
    """

    shape: Shape
    context: int
    padding: int
    numbers: tuple[str, ...]
    categories: dict[str, int]
    label_kind: LabelKind = "class"
    target_numbers: tuple[str, ...] = ()
    target_counts: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, data: DataSpec, transform: tft.TFTransformOutput, context: int, input_ids: int) -> Layout:
        """The layout of a Transform output.

        Args:
            data: what the columns mean.
            transform: its output.
            context: K.
            input_ids: size of the input vocabulary, and the out-of-vocabulary buckets after it.
        """
        numbers, categories = _by_kind(data.features)
        target_numbers, target_categories = _by_kind(data.targets)

        def counts(name: str) -> tuple[int, ...]:
            file = transform.vocabulary_file_by_name(category_file(names.name_of(name)))
            return tuple(read_vocabulary(file).counts.tolist())

        target_counts = {name: counts(name) for name in target_categories}
        return cls(
            data.shape,
            context,
            input_ids,
            numbers,
            {name: len(counts(name)) + 1 for name in categories},
            data.label_kind,
            target_numbers,
            target_counts,
        )

    @property
    def label_column(self) -> str:
        """The transformed column that the label is read from."""
        return "label_value" if self.label_kind == "number" else "label_ids"

    def feature_spec(self) -> dict[str, tf.io.FixedLenFeature | tf.io.RaggedFeature]:
        """How a transformed row is parsed."""
        ids = tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
        number = tf.io.FixedLenFeature([], tf.float32)
        category = tf.io.FixedLenFeature([], tf.int64)
        return {
            "input_ids": ids,
            self.label_column: number if self.label_kind == "number" else ids,
            **dict.fromkeys((*self.numbers, *self.target_numbers), number),
            **dict.fromkeys((*self.categories, *self.target_counts), category),
        }


def _by_kind(columns: Mapping[str, FeatureSpec]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys of the numbers, and those of the categories."""
    kinds = ("number", "category")
    numbers, categories = (
        tuple(names.key_of(name) for name, column in columns.items() if column.kind == kind) for kind in kinds
    )
    return numbers, categories
