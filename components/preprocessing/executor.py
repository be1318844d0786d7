"""Executor of Transform that reads, counts and writes data in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from apache_beam.io.filebasedsink import FileBasedSink
from apache_beam.pvalue import PValue
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as keys
from tfx_bsl.public.tfxio import RecordBatchToExamplesEncoder

from components.choices import merged, read_choices
from components.compat.tfx.executors import OpenTransformExecutor, OpenTransformProcessor
from components.files import matching
from components.ingest.counts import rows_of
from components.ingest.spec import DataSpec
from components.messages.counting import counted
from components.preprocessing.learnable import check_learnable
from components.preprocessing.spec import VocabularySpec
from components.record_batches import ShardReader

CHOICES = "choices"
"""Input with the chosen values of unset keys."""
_BATCHES = 8
"""Maximum number of batches in a file. Training reads several files at a time, and mixes their rows."""


class _Processor(OpenTransformProcessor):
    """TFX's processor, but it reads and writes rows in batches."""

    def source(self, pattern: str, schema: schema_pb2.Schema) -> ShardReader:
        return ShardReader([pattern], schema)

    def sink(self, schema: schema_pb2.Schema, path: str) -> beam.PTransform:
        return _encode_and_write(schema, path)


class TransformExecutor(OpenTransformExecutor):
    """TFX's executor with the processor above."""

    PROCESSOR = _Processor

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Analyze and transform the examples.

        Args:
            input_dict: Inputs of TFX's executor, and `choices`.
            output_dict: Outputs of TFX's executor.
            exec_properties: Those of TFX's executor. Their `custom_config` has the keys that the configuration sets
                under `vocabulary`, as JSON.

        Raises:
            NothingToLearn: No model can learn from the train split; see `check_learnable`.
        """
        config = json.loads(exec_properties[keys.CUSTOM_CONFIG_KEY])
        choices = read_choices(artifact_utils.get_single_uri(input_dict[CHOICES]))
        chosen = merged(choices.vocabulary, json.loads(config["vocabulary"]))
        config["vocabulary"] = VocabularySpec.model_validate(chosen).model_dump_json()
        exec_properties = {**exec_properties, keys.CUSTOM_CONFIG_KEY: json.dumps(config)}
        inputs = {name: artifacts for name, artifacts in input_dict.items() if name != CHOICES}
        examples, splits = input_dict[keys.EXAMPLES_KEY], exec_properties[keys.SPLITS_CONFIG_KEY]
        with counted("Transform", lambda: _rows_read(examples, splits), "rows"):
            super().Do(inputs, output_dict, exec_properties)
        written = output_dict[keys.TRANSFORMED_EXAMPLES_KEY]
        check_learnable(
            DataSpec.model_validate_json(config["data"]),
            VocabularySpec.model_validate_json(config["vocabulary"]),
            tft.TFTransformOutput(artifact_utils.get_single_uri(output_dict[keys.TRANSFORM_GRAPH_KEY])),
            *(matching([f"{artifact.uri}/Split-{split}/*" for artifact in written]) for split in ("train", "eval")),
        )


def _rows_read(examples: list[types.Artifact], splits: str) -> int:
    """Return the number of rows that TFX reads, at most: spans whose analysis is cached are read once.

    Args:
        examples: Artifacts of ExampleGen.
        splits: TFX's `SplitsConfig` as JSON.
    """
    passes = json.loads(splits)
    return sum(rows_of(examples, passes[each]) for each in ("analyze", "transform"))


@beam.ptransform_fn
def _encode_and_write(batches: beam.PCollection, schema: schema_pb2.Schema, output_path: str) -> PValue:
    sink = _ShardWriter(
        output_path, coder=beam.coders.BytesCoder(), file_name_suffix=".gz", max_records_per_shard=_BATCHES
    )
    return batches | "Encode" >> beam.ParDo(_Encode(schema)) | "Write" >> beam.io.Write(sink)


class _Encode(beam.DoFn):
    """DoFn from (record batch, features that pass through) to one list of the batch's serialized Examples."""

    def __init__(self, schema: schema_pb2.Schema) -> None:
        self._schema = schema.SerializeToString()

    def setup(self) -> None:
        self._coder = RecordBatchToExamplesEncoder(schema_pb2.Schema.FromString(self._schema))

    def process(self, element: tuple[pa.RecordBatch, dict[str, pa.Array]]) -> Iterator[list[bytes]]:
        yield self._coder.encode(element[0])


class _ShardWriter(FileBasedSink):
    """Sink that writes gzip TFRecords, a list of records at a time."""

    def open(self, temp_path: str) -> _Shard:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Shard(temp_path)

    def write_record(self, file_handle: _Shard, value: list[bytes]) -> None:
        file_handle.write(value)


class _Shard:
    """File that a thread compresses and writes in the background. TensorFlow releases Python's global lock for it."""

    def __init__(self, path: str) -> None:
        self._file = tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP", compression_level=1))
        self._beside = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def write(self, records: list[bytes]) -> None:
        """Write records in the background, after the previous list. At most two lists are in memory."""
        self._wait()
        self._writing = self._beside.submit(self._write, records)

    def close(self) -> None:
        """Wait for all records, and close the file."""
        try:
            self._wait()
        finally:
            self._beside.shutdown()
            self._file.close()

    def _write(self, records: list[bytes]) -> None:
        for record in records:
            self._file.write(record)

    def _wait(self) -> None:
        if self._writing:
            self._writing.result()
