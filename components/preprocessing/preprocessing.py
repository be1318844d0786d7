"""Preprocessing function of Transform: it makes the vocabularies, and computes ids and numbers.

    input_ids    VarLen int64   0..V_in-1 by descending frequency, then the out-of-vocabulary buckets
    label_ids    VarLen int64   0..V_out-1 by descending frequency, -1 if out of vocabulary; one per token (sequence) or
                                any number (labelled)
    label_value  float32        replaces label_ids if the label is a number: unscaled, NaN if missing
    first_label  int64          position of the first token that is a label, if the positions of a row are split; with
                                 baskets, the number of the basket of this token
    basket       VarLen int64   number of the basket of each token, from 0, with baskets; a token that occurs in a
                                 basket again is left out of all columns of tokens
    weight       float32        with `data.weight`, weight of the row, 1 if missing; VarLen, one per token (sequence)

The key of each feature and further target is `column/<name>`; see `components.names`:

    number       float32        z-score over the train split, at most `moments.Z_BOUND` from 0; 0, the mean, if missing
                                or if the column is constant
    category     int64          0..n-1 by descending frequency, n if missing or out of vocabulary; with `if_missing:
                                value`, a missing value counts as the value `MISSING`
    target       float32        number: unscaled, NaN if missing
                 int64          category: 0..n-1 by descending frequency, -1 if missing or out of vocabulary
    token        VarLen float32 number of a token feature, one per token: z-score over the tokens of the train split;
    feature                     of log(1 + t) for an elapsed time t
                 VarLen int64   category of a token feature, one per token: as a category above

`components.preprocessing.vocabulary` describes the files `inputs`, `labels` and `category_<name>` (features, token
features and targets). The file `numbers` holds the moments of each number column.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components import names
from components.ingest.options.token_features import TokenFeatureSpec
from components.ingest.spec import DataSpec, FeatureSpec
from components.names import WEIGHT
from components.preprocessing.columns.baskets import Baskets
from components.preprocessing.columns.numbers import analyzed, z_scores, z_scores_in_place
from components.preprocessing.columns.token_features import at_tokens, scale_of
from components.preprocessing.counting import Counted
from components.preprocessing.spec import VocabularySpec
from components.preprocessing.vocabulary import escape_tensor

INPUT_IDS = "input_ids"
LABEL_IDS = "label_ids"
LABEL_VALUE = "label_value"
FIRST_LABEL = "first_label"
BASKET = "basket"
MISSING = "(missing)"
"""Category of the rows without a value, with `if_missing: value`."""
Column = tf.Tensor | tf.SparseTensor


def preprocessing_fn(inputs: dict[str, Column], custom_config: dict[str, Any]) -> dict[str, Column]:
    """Transform raw columns. This is the entry point that Transform calls.

    Args:
        inputs: Raw columns by name. Token columns are strings of shape (batch, length).
        custom_config: A `DataSpec` as `data` and a `VocabularySpec` as `vocabulary`, each as JSON.
    """
    data = DataSpec.model_validate_json(custom_config["data"])
    vocabulary = VocabularySpec.model_validate_json(custom_config["vocabulary"])
    first = _dense(_sparse(inputs[names.FIRST_LABEL]), 1) if data.splits_positions else None
    numbers_of_baskets: dict[str, Column] = {}
    if data.baskets is not None:
        baskets = Baskets.of(_sparse(inputs[data.inputs[0]]), _sparse(inputs[data.baskets]))
        first = None if first is None else baskets.numbers_at(first)
        of_each = [*data.token_features, *data.weights]
        aligned = {name: at_tokens(_sparse(inputs[name]), baskets.tokens) for name in of_each}
        inputs = {**inputs, **{name: baskets.distinct(each) for name, each in aligned.items()}}
        inputs[data.inputs[0]] = baskets.distinct(baskets.tokens)
        numbers_of_baskets[BASKET] = baskets.distinct(baskets.numbers)
    outputs = {**_token_ids(inputs, data, vocabulary), **numbers_of_baskets}
    if first is not None:
        outputs[FIRST_LABEL] = first
    if data.weight is not None:
        outputs[WEIGHT] = _weight(inputs, data, data.weight)
    of_tokens = _of_tokens(inputs, data)
    numbers = {name: _sparse(inputs[name]) for name in _numbers(data)}
    numbers |= {name: column for name, column in of_tokens.items() if not data.token_features[name].is_category}
    moments = analyzed(numbers, {**data.features, **data.token_features})
    for name, feature in data.features.items():
        column, moments_of = _sparse(inputs[name]), moments.get(name)
        outputs[names.key_of(name)] = _feature(names.short(name), column, feature, moments_of)
    for name, column in of_tokens.items():
        outputs[names.key_of(name)] = _token_feature(name, column, data.token_features[name], moments.get(name))
    for name, target in data.targets.items():
        column = _sparse(inputs[name])
        number = target.kind == "number"
        outputs[names.key_of(name)] = _number(column) if number else _category(names.short(name), column, target)
    return outputs


def _of_tokens(inputs: dict[str, Column], data: DataSpec) -> dict[str, tf.SparseTensor]:
    """Return the values of the token features, one for each token, by name."""
    if not data.token_features:
        return {}
    tokens = _sparse(inputs[data.inputs[0]])
    return {
        name: scale_of(at_tokens(_sparse(inputs[name]), tokens), feature)
        for name, feature in data.token_features.items()
    }


def _weight(inputs: dict[str, Column], data: DataSpec, name: str) -> Column:
    """Return the weight of each row, or of each token of a sequence; 1 for a missing one."""
    column = tf.cast(_sparse(inputs[name]), tf.float32)
    if data.shape != "sequence":
        # A column with a fixed shape in the schema has NaN where a request lacks the value.
        return _known_weights(_dense(column, math.nan))
    column = at_tokens(column, _sparse(inputs[data.inputs[0]]))
    return column.with_values(_known_weights(column.values))


def _known_weights(weights: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_nan(weights), 1.0, weights)


def _numbers(data: DataSpec) -> list[str]:
    label = [str(data.label)] if data.label_kind == "number" else []
    side = {**data.features, **data.targets}
    return [*label, *(name for name, column in side.items() if column.kind == "number")]


def _token_ids(inputs: dict[str, Column], data: DataSpec, spec: VocabularySpec) -> dict[str, Column]:
    tokens = _joined([_escaped(_sparse(inputs[name])) for name in data.inputs])
    if data.label_kind == "number":
        file = Counted(tokens, "inputs").file("inputs", spec.inputs, spec.min_count)
        return {
            INPUT_IDS: _ids(tokens, file, spec.num_oov_buckets),
            LABEL_VALUE: _number(_sparse(inputs[str(data.label)])),
        }
    if data.shape == "sequence":
        labels = tokens  # Every token except the first is also a label.
        of_inputs = of_labels = Counted(tokens, "tokens")
    else:
        labels = _escaped(_sparse(inputs[str(data.label)]))
        if spec.shared:
            of_inputs = of_labels = Counted(_joined([tokens, labels]), "tokens")
        else:
            of_inputs, of_labels = Counted(tokens, "inputs"), Counted(labels, "labels")
    input_file = of_inputs.file("inputs", spec.input_size, spec.min_count)
    label_file = of_labels.file("labels", spec.labels, spec.min_count)
    return {INPUT_IDS: _ids(tokens, input_file, spec.num_oov_buckets), LABEL_IDS: _ids(labels, label_file, 0)}


def _ids(tokens: tf.SparseTensor, file: Any, num_oov_buckets: int) -> tf.SparseTensor:
    return tft.apply_vocabulary(tokens, file, lookup_fn=_lookup(num_oov_buckets))


def _lookup(
    num_oov_buckets: int, others_last: bool = False
) -> Callable[[tf.SparseTensor, tf.Tensor], tuple[tf.SparseTensor, tf.Tensor]]:
    """Return a function that looks up ids in a file of "count token" lines.

    `tft.apply_vocabulary` cannot read such lines by itself. Without buckets, other tokens have the id -1, or with
    `others_last` the id after the last one.
    """

    def lookup(tokens: tf.SparseTensor, file: tf.Tensor) -> tuple[tf.SparseTensor, tf.Tensor]:
        lines = tf.lookup.TextFileInitializer(
            file, tf.string, key_index=1, value_dtype=tf.int64, value_index=tf.lookup.TextFileIndex.LINE_NUMBER,
            delimiter=" ",
        )  # fmt: skip
        table = (
            tf.lookup.StaticVocabularyTable(lines, num_oov_buckets)
            if num_oov_buckets
            else tf.lookup.StaticHashTable(lines, default_value=-1)
        )
        ids = table.lookup(tokens)
        if others_last:
            ids = ids.with_values(tf.where(ids.values < 0, table.size(), ids.values))
        return ids, table.size()

    return lookup


def _joined(columns: list[tf.SparseTensor]) -> tf.SparseTensor:
    """Concatenate the values of the columns in each row, without gaps after shorter rows."""
    if len(columns) == 1:
        return columns[0]
    wide = tf.sparse.concat(axis=1, sp_inputs=columns)
    # The indices of a sparse tensor are sorted, so that no operation needs to check them.
    rows = tf.RaggedTensor.from_value_rowids(wide.values, wide.indices[:, 0], nrows=wide.dense_shape[0], validate=False)
    return rows.to_sparse()


def _feature(name: str, column: tf.SparseTensor, feature: FeatureSpec, moments: tf.Tensor | None) -> tf.Tensor:
    if moments is not None:
        return _dense(z_scores(column, moments), 0.0)
    # The empty text is in no vocabulary.
    first = _dense(column, "")
    if feature.if_missing == "value":
        first = tf.where(first == "", MISSING, first)
    return _category(name, _sparse(first), feature, others_last=True)


def _token_feature(
    name: str, column: tf.SparseTensor, feature: TokenFeatureSpec, moments: tf.Tensor | None
) -> tf.SparseTensor:
    if moments is not None:
        return z_scores_in_place(column, moments)
    if feature.if_missing == "value":
        column = column.with_values(tf.where(column.values == "", MISSING, column.values))
    return _category_ids(names.short(name), column, feature.top, others_last=True)


def _category(name: str, column: tf.SparseTensor, feature: FeatureSpec, others_last: bool = False) -> tf.Tensor:
    """Return ids of shape (batch,), -1 if missing or out of vocabulary.

    Args:
        name: Short name of the column; see `vocabulary.category_file`.
        column: The column.
        feature: Specification of the column.
        others_last: True if a text that is out of vocabulary has the id after the last one, and not -1.
    """
    return _dense(_category_ids(name, column, feature.top, others_last), -1)


def _category_ids(name: str, column: tf.SparseTensor, top: int, others_last: bool) -> tf.SparseTensor:
    """Return the id of each value of a column. The empty text, a missing value, is in no vocabulary."""
    file, escaped = f"category_{name}", _escaped(column)
    known = Counted(escaped, file).file(file, top)
    return tft.apply_vocabulary(escaped, known, lookup_fn=_lookup(0, others_last))


def _number(column: tf.SparseTensor) -> tf.Tensor:
    """Return the unscaled numbers as float32 of shape (batch,), NaN if missing."""
    return _dense(tf.cast(column, tf.float32), math.nan)


def _sparse(column: Column) -> tf.SparseTensor:
    """Return a column as a sparse tensor (batch, length). Required columns of the schema arrive dense."""
    if isinstance(column, tf.SparseTensor):
        return column
    if column.shape.rank == 1:
        column = column[:, tf.newaxis]
    # `tf.sparse.from_dense` would treat a 0 as a missing value.
    shape = tf.shape(column, out_type=tf.int64)
    places = tf.where(tf.ones_like(column, tf.bool))
    return tf.SparseTensor(places, tf.gather_nd(column, places), shape)


def _dense(column: tf.SparseTensor, default: float | int | str) -> tf.Tensor:
    """Return the first value of each row, or the default, with shape (batch,)."""
    # One operation for both sizes, because the graph has it for each column.
    at_least_one = tf.maximum(column.dense_shape, tf.constant([0, 1], tf.int64))
    whole = tf.SparseTensor(column.indices, column.values, at_least_one)
    return tf.sparse.to_dense(whole, default_value=default)[:, 0]


def _escaped(column: tf.SparseTensor) -> tf.SparseTensor:
    return tf.SparseTensor(column.indices, escape_tensor(column.values), column.dense_shape)
