"""Layout of a training example, and parsing of transformed rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import tensorflow as tf
import tensorflow_transform as tft

from components import names
from components.ingest.spec import DataSpec, FeatureSpec, LabelKind, Shape
from components.layers.mixture.spec import NgramMixtureSpec
from components.names import WEIGHT
from components.preprocessing.preprocessing import BASKET, FIRST_LABEL
from components.preprocessing.vocabulary import category_file, read_vocabulary

Batch = dict[str, tf.Tensor]
COUNTED = "counted"
"""Key among the inputs of a batch of the tokens before a label, which a mixture with counts looks up."""
HISTORY = "history"
"""Key among the inputs of a batch of the classes of the tokens of a window and the ages of their baskets, which the
bonus for repeated classes reads: see `windows.model_inputs`."""
LABEL = "label"
"""Key of the main target among the targets of a batch. The key of a further target is the key of its column."""


@dataclass(frozen=True)
class Layout:
    """Layout of a training example: a window, or a whole row.

    Columns are named by their keys, see `components.names.key_of`.

    Attributes:
        shape: Shape of the data.
        context: K, the number of input ids of a window, or the maximum number of input ids of a cut of a whole row.
        padding: Id at positions without a token; the largest id.
        numbers: Columns that hold one number per row.
        categories: Columns that hold one category per row, with their number of ids. The last id means unknown or
            missing.
        label_kind: Kind of the label: class, classes or number.
        target_numbers: Further targets that are numbers.
        target_counts: Further targets that are categories, each with the number of rows of the train split that have
            each class, in the order of the ids.
        counted: Number of tokens before a label that a mixture reads, for counts, cache and pairs; 0 without a mixture.
        cached: Number of these tokens that the cache of the mixture reads.
        paired: Number of these tokens whose pairs with the label the mixture counts.
        counted_ids: Size of the vocabulary of these tokens: the labels for shape `sequence`, otherwise the inputs. Two
            more ids follow: one for all other tokens, one for the positions before the first token.
        splits_positions: True if a row has the position of its first label; see `DataSpec.splits_positions`.
        whole_rows: True if the model processes whole rows, see `components.training.rows`; False for windows.
        token_numbers: Columns that hold one number per token.
        token_categories: Columns that hold one category per token, with their number of ids. The last id marks the
            positions without a token, and the one before it means unknown or missing.
        baskets: True if the labels of a window are the tokens of a basket; see `DataSpec.baskets`.
        repeats: True if the output of the label reads the classes and ages of the tokens (`HISTORY`).
        most_labels: Width of the labels of a batch of rows with several labels. None: the largest number in the batch.
        labeled_rows: Number of rows, or baskets, with several labels in the train split; None before they are counted.
        weighted: True if labels have weights, under the key `WEIGHT` among the targets of a batch. The column has one
            weight per row, or one per token in shape `sequence`.
        mean_weight: Mean weight of the labels to train on; 1 before it is computed.
    """

    shape: Shape
    context: int
    padding: int
    numbers: tuple[str, ...]
    categories: dict[str, int]
    label_kind: LabelKind = "class"
    target_numbers: tuple[str, ...] = ()
    target_counts: dict[str, tuple[int, ...]] = field(default_factory=dict)
    counted: int = 0
    cached: int = 0
    paired: int = 0
    counted_ids: int = 0
    splits_positions: bool = False
    whole_rows: bool = False
    token_numbers: tuple[str, ...] = ()
    token_categories: dict[str, int] = field(default_factory=dict)
    baskets: bool = False
    repeats: bool = False
    most_labels: int | None = None
    labeled_rows: int | None = None
    weighted: bool = False
    mean_weight: float = 1.0

    @classmethod
    def of(
        cls,
        data: DataSpec,
        transform: tft.TFTransformOutput,
        context: int,
        input_ids: int,
        whole_rows: bool = False,
        repeats: bool = False,
    ) -> Layout:
        """Return the layout of an output of Transform.

        Args:
            data: Meaning of the columns.
            transform: Output of Transform.
            context: K, the maximum number of input ids of an example.
            input_ids: Size of the input vocabulary, including the out-of-vocabulary buckets after it.
            whole_rows: True if the model processes whole rows.
            repeats: True if the output of the label reads the classes and ages of the tokens.
        """
        numbers, categories = _by_kind(data.features)
        target_numbers, target_categories = _by_kind(data.targets)

        def counts(name: str) -> tuple[int, ...]:
            file = transform.vocabulary_file_by_name(category_file(names.name_of(name)))
            return tuple(read_vocabulary(file).counts.tolist())

        target_counts = {name: counts(name) for name in target_categories}
        of_tokens = {names.key_of(name): feature.is_category for name, feature in data.token_features.items()}
        return cls(
            data.shape,
            context,
            input_ids,
            numbers,
            {name: len(counts(name)) + 1 for name in categories},
            data.label_kind,
            target_numbers,
            target_counts,
            splits_positions=data.splits_positions,
            whole_rows=whole_rows,
            baskets=data.baskets is not None,
            repeats=repeats,
            token_numbers=tuple(name for name, is_category in of_tokens.items() if not is_category),
            token_categories={name: len(counts(name)) + 2 for name, is_category in of_tokens.items() if is_category},
            weighted=data.weight is not None,
        )

    def counting(self, mixture: NgramMixtureSpec | None, inputs: int, labels: int) -> Layout:
        """Return the layout with the tokens that a mixture reads.

        Args:
            mixture: Configuration of the mixture; None: no mixture.
            inputs: Number of input tokens, without out-of-vocabulary buckets.
            labels: Number of labels; 0 if the label is a number.
        """
        if mixture is None or not labels:
            return self
        sequences = self.shape == "sequence"
        cached = mixture.cached(sequences)
        counted = max(mixture.longest(sequences) - 1, cached, mixture.pairs)
        ids = labels if sequences else inputs
        return replace(self, counted=counted, cached=cached, paired=mixture.pairs, counted_ids=ids)

    @property
    def token_paddings(self) -> dict[str, int]:
        """Columns that hold a value per token, each with its value at the positions without a token."""
        return {**dict.fromkeys(self.token_numbers, 0), **{name: n - 1 for name, n in self.token_categories.items()}}

    @property
    def per_token(self) -> tuple[str, ...]:
        """Transformed columns that hold one value per token, beside the tokens: token features, and weights."""
        weights = (WEIGHT,) if self.weighted and self.shape == "sequence" else ()
        return (*self.token_numbers, *self.token_categories, *weights)

    @property
    def several_labels(self) -> bool:
        """True if a row may have several labels."""
        return self.label_kind == "classes"

    @property
    def label_column(self) -> str:
        """Transformed column that holds the label."""
        return "label_value" if self.label_kind == "number" else "label_ids"

    def feature_spec(self) -> dict[str, tf.io.FixedLenFeature | tf.io.RaggedFeature]:
        """Return the feature specification that parses a transformed row."""
        ids = tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
        number = tf.io.FixedLenFeature([], tf.float32)
        category = tf.io.FixedLenFeature([], tf.int64)
        numbers = tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64)
        return {
            "input_ids": ids,
            self.label_column: number if self.label_kind == "number" else ids,
            **({FIRST_LABEL: category} if self.splits_positions else {}),
            **({BASKET: ids} if self.baskets else {}),
            **dict.fromkeys((*self.numbers, *self.target_numbers), number),
            **dict.fromkeys((*self.categories, *self.target_counts), category),
            **dict.fromkeys(self.token_numbers, numbers),
            **dict.fromkeys(self.token_categories, ids),
            **({WEIGHT: numbers if self.shape == "sequence" else number} if self.weighted else {}),
        }


def _by_kind(columns: Mapping[str, FeatureSpec]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys of the numbers, and the keys of the categories."""
    kinds = ("number", "category")
    numbers, categories = (
        tuple(names.key_of(name) for name, column in columns.items() if column.kind == kind) for kind in kinds
    )
    return numbers, categories
