"""What Transform computes: the two vocabularies, and ids and numbers from them.

    input_ids    VarLen int64   0..V_in-1 by falling frequency, then the out-of-vocabulary buckets
    label_ids    VarLen int64   0..V_out-1 by falling frequency, -1 outside; one per token (sequence) or one (labelled)
    <number>     float32        z-score over the train split; missing values become 0, the mean
    <category>   int64          0..n-1 by falling frequency, n where missing or outside

The files `inputs`, `labels` and `category_<name>` hold "count token" lines, the most frequent first: the line number,
from 0, is the id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.ingest.spec import DataSpec, FeatureSpec
from components.preprocessing.spec import VocabularySpec
from components.preprocessing.vocabulary import SPACE

INPUT_IDS = "input_ids"
LABEL_IDS = "label_ids"
Column = tf.Tensor | tf.SparseTensor


def preprocessing_fn(inputs: dict[str, Column], custom_config: dict[str, Any]) -> dict[str, Column]:
    """Transform's entry point.

    Args:
        inputs: raw columns by name; token columns are (batch, length) strings.
        custom_config: `data`, a `DataSpec`, and `vocabulary`, a `VocabularySpec`, each as JSON.
    """
    data = DataSpec.model_validate_json(custom_config["data"])
    vocabulary = VocabularySpec.model_validate_json(custom_config["vocabulary"])
    outputs = _token_ids(inputs, data, vocabulary)
    for name, feature in data.features.items():
        outputs[name] = _feature(name, _sparse(inputs[name]), feature)
    return outputs


def _token_ids(inputs: dict[str, Column], data: DataSpec, spec: VocabularySpec) -> dict[str, Column]:
    tokens = _joined([_without_spaces(_sparse(inputs[name])) for name in data.inputs])
    # In a sequence every token but the first is a label too: one list of tokens serves both.
    labels = tokens if data.shape == "sequence" else _without_spaces(_sparse(inputs[str(data.label)]))
    counted = _joined([tokens, labels]) if spec.shared and data.shape == "labelled" else None

    def file_of(x: tf.SparseTensor, size: int, name: str) -> Any:
        return tft.vocabulary(
            x if counted is None else counted,
            top_k=size,
            frequency_threshold=spec.min_count if spec.min_count > 1 else None,
            vocab_filename=name,
            store_frequency=True,
            name=name,
        )

    input_file = file_of(tokens, spec.inputs, "inputs")
    label_file = file_of(labels, spec.labels, "labels")
    return {
        INPUT_IDS: tft.apply_vocabulary(tokens, input_file, lookup_fn=_lookup(spec.oov_buckets)),
        LABEL_IDS: tft.apply_vocabulary(labels, label_file, lookup_fn=_lookup(0)),
    }


def _lookup(oov_buckets: int) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Ids from a file of "count token" lines, which `tft.apply_vocabulary` does not read by itself."""

    def lookup(tokens: tf.Tensor, file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        lines = tf.lookup.TextFileInitializer(
            file, tf.string, key_index=1, value_dtype=tf.int64, value_index=tf.lookup.TextFileIndex.LINE_NUMBER,
            delimiter=" ",
        )  # fmt: skip
        table = (
            tf.lookup.StaticVocabularyTable(lines, oov_buckets)
            if oov_buckets
            else tf.lookup.StaticHashTable(lines, default_value=-1)
        )
        return table.lookup(tokens), table.size()

    return lookup


def _joined(columns: list[tf.SparseTensor]) -> tf.SparseTensor:
    """The columns' values one after the other in each row, without the gaps that shorter values would leave."""
    if len(columns) == 1:
        return columns[0]
    wide = tf.sparse.concat(axis=1, sp_inputs=columns)
    rows = tf.RaggedTensor.from_value_rowids(wide.values, wide.indices[:, 0], nrows=wide.dense_shape[0])
    return rows.to_sparse()


def _feature(name: str, column: tf.SparseTensor, feature: FeatureSpec) -> tf.Tensor:
    if feature.kind == "number":
        scaled = tft.scale_to_z_score(tf.cast(column, tf.float32))
        return _dense(scaled, 0.0)
    file = f"category_{name}"
    ids = tft.compute_and_apply_vocabulary(
        column, default_value=-1, top_k=feature.top, vocab_filename=file, store_frequency=True, name=file
    )
    dense = _dense(ids, -1)
    return tf.where(dense < 0, tft.experimental.get_vocabulary_size_by_name(file), dense)


def _sparse(column: Column) -> tf.SparseTensor:
    """(batch, length), whether the schema said that the column is always there or not."""
    if isinstance(column, tf.SparseTensor):
        return column
    if column.shape.rank == 1:
        column = column[:, tf.newaxis]
    # Not `from_dense`, which takes a 0 for a missing value.
    shape = tf.shape(column, out_type=tf.int64)
    places = tf.where(tf.ones_like(column, tf.bool))
    return tf.SparseTensor(places, tf.gather_nd(column, places), shape)


def _dense(column: tf.SparseTensor, default: float | int) -> tf.Tensor:
    """(batch,): the row's first value, or the default."""
    shape = [column.dense_shape[0], tf.maximum(column.dense_shape[1], 1)]
    whole = tf.SparseTensor(column.indices, column.values, shape)
    return tf.sparse.to_dense(whole, default_value=default)[:, 0]


def _without_spaces(column: tf.SparseTensor) -> tf.SparseTensor:
    # The file's lines are "count token": `tft.vocabulary` wants spaces replaced by the caller.
    return tf.SparseTensor(column.indices, tf.strings.regex_replace(column.values, " ", SPACE), column.dense_shape)
