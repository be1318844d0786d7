"""The model as it is served: raw columns in, label strings and probabilities out.

Signatures:

    serving_default   examples (batch,) serialized tf.Examples -> labels (batch, k), probabilities (batch, k)
    predict           the columns by name: tokens (batch, length) padded with "", categories (batch,) with "" where
                      missing, numbers (batch,) with NaN where missing -> the same
    eval              examples (batch,) with their labels -> (batch,) float32 sums, one output for each name in
                      `components.evaluation.columns.COLUMNS`

In shape `sequence` the first two answer which token follows all those given.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportReturnType=false, reportOperatorIssue=false

from __future__ import annotations

import json
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from components.evaluation.columns import BANDS, SUMS
from components.evaluation.spec import BandSpec
from components.ingest.spec import DataSpec
from components.preprocessing.vocabulary import SPACE
from components.trainer.model import VocabularyClassifier
from components.trainer.softmax import chunk_rows, in_chunks, nll_and_rank, top
from components.trainer.windows import Batch, Layout, Spans, labelled_spans, last_spans, model_inputs

Columns = dict[str, tf.SparseTensor]


class Servable(tf.Module):
    """Everything from raw columns to answers, with the tables inside.

    Args:
        model: trained, and made outside any distribution strategy.
        transform: Transform's output, whose graph becomes part of this one.
        data: what the columns mean.
        layout: what a window is made of.
        bands: of labels, for the sums of `eval`.
        top_k: answers a row.
    """

    def __init__(
        self,
        model: VocabularyClassifier,
        transform: tft.TFTransformOutput,
        data: DataSpec,
        layout: Layout,
        bands: BandSpec,
        top_k: int,
    ) -> None:
        super().__init__()
        self.model, self.data, self.layout, self.bands = model, data, layout, bands
        self.top_k = min(top_k, model.head.classes)
        self.transform = transform.transform_features_layer()
        self._raw = transform.raw_feature_spec()
        lines = tf.lookup.TextFileInitializer(
            transform.vocabulary_file_by_name("labels"),
            key_dtype=tf.int64, key_index=tf.lookup.TextFileIndex.LINE_NUMBER,
            value_dtype=tf.string, value_index=1, delimiter=" ",
        )  # fmt: skip
        self.label_table = tf.lookup.StaticHashTable(lines, default_value="")

    def examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """`serving_default`."""
        return self._answer(self._parse(examples, (*self.data.inputs, *self.data.features)))

    def columns(self, **columns: tf.Tensor) -> dict[str, tf.Tensor]:
        """`predict`."""
        return self._answer({name: _present(column) for name, column in columns.items()})

    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """`eval`."""
        label = [self.data.label] if self.data.label else []
        features = self._transformed(self._parse(examples, (*self.data.inputs, *label, *self.data.features)))
        spans = labelled_spans(features["input_ids"], features["label_ids"], self.layout.shape)
        nll, rank = in_chunks(
            tf.shape(spans.labels)[0],
            self._chunk,
            lambda start, end: self._measure(spans.take(tf.range(start, end)), features),
            (tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.int32)),
        )
        return self._row_sums(spans, nll, rank, tf.shape(examples)[0])

    def column_signature(self) -> dict[str, tf.TensorSpec]:
        """The inputs of `predict`."""
        tokens = {name: tf.TensorSpec([None, None], tf.string, name=name) for name in self.data.inputs}
        kinds = {"number": tf.float32, "category": tf.string}
        features = {
            name: tf.TensorSpec([None], kinds[feature.kind], name=name) for name, feature in self.data.features.items()
        }
        return {**tokens, **features}

    @property
    def _chunk(self) -> int:
        return chunk_rows(self.model.head.classes)

    def _parse(self, examples: tf.Tensor, names: tuple[str, ...]) -> Columns:
        # Parsed as variable-length whatever the schema says: a row that is asked about may lack a feature.
        spec = {name: tf.io.VarLenFeature(self._raw[name].dtype) for name in names}
        return tf.io.parse_example(examples, spec)

    def _transformed(self, columns: Columns) -> Batch:
        raw = {
            name: column if isinstance(self._raw[name], tf.io.VarLenFeature) else _dense(column, self._raw[name].shape)
            for name, column in columns.items()
        }
        out = dict(self.transform(raw))
        for name in ("input_ids", "label_ids"):
            if name in out:
                sparse = out[name]
                # Rows may have gaps, where columns were joined: only the order counts.
                out[name] = tf.RaggedTensor.from_value_rowids(
                    sparse.values, sparse.indices[:, 0], nrows=sparse.dense_shape[0]
                )
        for name in self.layout.numbers:
            out[name] = tf.where(tf.math.is_nan(out[name]), 0.0, out[name])
        return out

    def _answer(self, columns: Columns) -> dict[str, tf.Tensor]:
        features = self._transformed(columns)
        spans = last_spans(features["input_ids"])

        def chunk(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, ...]:
            inputs = model_inputs(spans.take(tf.range(start, end)), features, self.layout)
            return top(self.model(inputs), self.top_k)

        like = (tf.TensorSpec([self.top_k], tf.int32), tf.TensorSpec([self.top_k], tf.float32))
        ids, probabilities = in_chunks(tf.shape(spans.labels)[0], self._chunk, chunk, like)
        labels = tf.strings.regex_replace(self.label_table.lookup(tf.cast(ids, tf.int64)), SPACE, " ")
        return {"labels": labels, "probabilities": probabilities}

    def _measure(self, spans: Spans, features: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        inputs = model_inputs(spans, features, self.layout)
        return nll_and_rank(self.model(inputs), spans.labels)

    def _row_sums(self, spans: Spans, nll: tf.Tensor, rank: tf.Tensor, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        known = spans.labels >= 0
        head = known & (spans.labels < self.bands.head)
        torso = known & ~head & (spans.labels < self.bands.torso)
        place = tf.cast(rank, tf.float32)
        values = {
            "count": tf.ones_like(place),
            "known": tf.cast(known, tf.float32),
            "nll": nll,
            **{f"hit_{k}": tf.cast(known & (rank <= k), tf.float32) for k in (1, 10, 20)},
            "rr_10": tf.where(known & (rank <= 10), 1.0 / place, 0.0),
        }
        masks = {"": tf.ones_like(known), "_head": head, "_torso": torso, "_tail": ~head & ~torso}
        return {
            f"{name}{band}": tf.math.unsorted_segment_sum(tf.where(mask, values[name], 0.0), spans.rows, rows)
            for band, mask in masks.items()
            for name in SUMS
        }


def export(servable: Servable, directory: str) -> None:
    """Writes a SavedModel that also loads in graph sessions, as TensorFlow Serving and BulkInferrer open it.

    `assets.extra/bigvocab.json` says how a caller makes tokens of text, and how many answers there are.
    """
    archive = keras.export.ExportArchive()
    archive.track(servable.model)
    archive.track(servable)
    examples = [tf.TensorSpec([None], tf.string, name="examples")]
    columns = servable.column_signature()
    archive.add_endpoint("serving_default", tf.function(servable.examples, input_signature=examples))
    archive.add_endpoint("predict", _by_name(servable, columns))
    archive.add_endpoint("eval", tf.function(servable.evaluate, input_signature=examples))
    archive.write_out(directory, verbose=False)
    about: dict[str, Any] = {
        "data": servable.data.model_dump(mode="json"),
        "top_k": servable.top_k,
        "context": servable.layout.context,
        "labels": servable.model.head.classes,
    }
    extra = f"{directory}/assets.extra"
    tf.io.gfile.makedirs(extra)
    with tf.io.gfile.GFile(f"{extra}/bigvocab.json", "w") as file:
        file.write(json.dumps(about, indent=1, ensure_ascii=False))


def _by_name(servable: Servable, columns: dict[str, tf.TensorSpec]) -> Any:
    function = tf.function(lambda columns: servable.columns(**columns))
    function.get_concrete_function(columns)
    return function


def _present(column: tf.Tensor) -> tf.SparseTensor:
    """The values that are there: not "" and not NaN."""
    if column.shape.rank == 1:
        column = column[:, tf.newaxis]
    present = column != "" if column.dtype == tf.string else ~tf.math.is_nan(column)
    indices = tf.where(present)
    return tf.SparseTensor(indices, tf.gather_nd(column, indices), tf.shape(column, out_type=tf.int64))


def _dense(column: tf.SparseTensor, shape: list[int]) -> tf.Tensor:
    """As a schema with a fixed shape has it; missing is NaN or ""."""
    default = "" if column.dtype == tf.string else float("nan")
    whole = tf.SparseTensor(column.indices, column.values, [column.dense_shape[0], max([1, *shape])])
    return tf.reshape(tf.sparse.to_dense(whole, default_value=default), [-1, *shape])


# The names of the sums are the contract with evaluation; a band that is added there must be added here.
assert BANDS == ("head", "torso", "tail")
