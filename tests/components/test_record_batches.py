"""Tests of record batches against the written rows."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tfxio import TFXIO

from components import record_batches
from components.ingest.rows.example import serialize
from components.messages.counting import counted
from components.record_batches import ShardReader
from tests.components.messages.observed import observed

BEAM = PipelineOptions(["--runner=FnApiRunner"])
SCHEMA = text_format.Parse(
    'feature { name: "words" type: BYTES } feature { name: "year" type: FLOAT }', schema_pb2.Schema()
)
ROWS = 5_000


@pytest.fixture
def shards(tmp_path: Path) -> str:
    """Write two files of numbered rows."""
    for shard in range(2):
        with tf.io.TFRecordWriter(str(tmp_path / f"data-{shard}.gz"), tf.io.TFRecordOptions("GZIP")) as writer:
            for row in range(shard * ROWS, shard * ROWS + ROWS):
                writer.write(serialize({"words": ["the", f"row{row}"], "year": [float(row)]}))
    return str(tmp_path / "data-*")


def read(reader: TFXIO, folder: Path, batch_size: int | None = None) -> list[pa.RecordBatch]:
    """Return the batches, passed through files, because Beam may run in another process."""
    with beam.Pipeline(options=BEAM) as pipeline:
        _ = pipeline | reader.BeamSource(batch_size) | beam.Map(_keep, tempfile.mkdtemp(dir=folder))
    found = []
    for path in folder.rglob("*.arrow"):
        found.append(pa.ipc.open_file(path).get_batch(0))
        path.unlink()
    return found


def _keep(batch: pa.RecordBatch, folder: str) -> None:
    with pa.ipc.new_file(f"{folder}/{uuid.uuid4().hex}.arrow", batch.schema) as writer:
        writer.write_batch(batch)


def sizes(batches: list[pa.RecordBatch]) -> list[int]:
    return [batch.num_rows for batch in batches]


def years(batches: list[pa.RecordBatch]) -> list[float]:
    return sorted(year for batch in batches for year in batch.column("year").flatten().to_pylist())


def test_every_row_is_read_once(shards: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with observed(), counted("rows", lambda: 2 * ROWS, "rows"):
        whole = read(ShardReader([shards], SCHEMA), tmp_path)
    assert years(whole) == list(range(2 * ROWS))
    assert sizes(whole) == [ROWS, ROWS]  # No file has 4 MB.
    monkeypatch.setattr(record_batches, "_BATCH_BYTES", 1)
    small = read(ShardReader([shards], SCHEMA), tmp_path)
    assert years(small) == list(range(2 * ROWS))
    assert max(sizes(small)) <= record_batches._READ


def test_a_given_size_of_batches_is_kept(shards: str, tmp_path: Path) -> None:
    batches = read(ShardReader([shards], SCHEMA), tmp_path, 512)
    assert max(sizes(batches)) == 512
    assert years(batches) == list(range(2 * ROWS))


def test_a_sample_is_the_first_rows_of_each_file(shards: str, tmp_path: Path) -> None:
    batches = read(ShardReader([shards], SCHEMA, rows_per_file=3), tmp_path)
    assert years(batches) == [0, 1, 2, ROWS, ROWS + 1, ROWS + 2]


def test_only_the_columns_that_are_asked_for(shards: str, tmp_path: Path) -> None:
    batches = read(ShardReader([shards], SCHEMA).Project(["year"]), tmp_path)
    assert {tuple(batch.schema.names) for batch in batches} == {("year",)}
    assert sum(sizes(batches)) == 2 * ROWS
