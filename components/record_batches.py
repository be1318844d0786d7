"""Reading of tf.Examples into Beam as Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from components.compat.tensorflow import untuned
from components.compat.tfx.bsl import ExamplesDecoder, OpenExampleRecord
from components.files import matching
from components.messages.counting import count

_READ = 1024
_BATCH_BYTES = 4 << 20
"""Size of a batch, in bytes of serialized Examples: large enough for a low cost per row, small enough for memory."""


class ShardReader(OpenExampleRecord):
    """Source that reads gzip TFRecords of tf.Examples.

    TFX's own source reads and decompresses records in Python, and passes them through Beam one by one. That takes
    longer than the computation on them. Here each Beam element is a file, which TensorFlow reads.

    Args:
        patterns: Patterns of the files.
        schema: Schema of the columns; None to infer the columns from the examples.
        rows_per_file: Number of rows to read from the start of each file; None for all.
    """

    def __init__(
        self, patterns: Sequence[str], schema: schema_pb2.Schema | None = None, rows_per_file: int | None = None
    ) -> None:
        super().__init__([*patterns], schema=schema)
        self._patterns = patterns
        self._rows_per_file = rows_per_file

    def BeamSource(self, batch_size: int | None = None) -> beam.PTransform:
        """Return a transform that reads the files into a PCollection of `pyarrow.RecordBatch`.

        Args:
            batch_size: Rows per batch; None for batches of about 4 MB.
        """
        read = _ReadShard(self.decoded_schema(), batch_size, self._rows_per_file)

        def expand(pipeline: beam.Pipeline) -> beam.PCollection[pa.RecordBatch]:
            return (
                pipeline
                | "Patterns" >> beam.Create(self._patterns)
                | "Files" >> beam.FlatMap(_files)
                | "Spread" >> beam.Reshuffle()
                | "Read" >> beam.ParDo(read).with_output_types(pa.RecordBatch)
            )

        return beam.ptransform_fn(expand)()

    def with_schema(self, schema: schema_pb2.Schema) -> ShardReader:
        """Return a source of the same files with the columns of a schema."""
        return ShardReader(self._patterns, schema, self._rows_per_file)


class _ReadShard(beam.DoFn):
    """DoFn from a file to its record batches."""

    def __init__(self, schema: bytes | None, batch_size: int | None, rows: int | None) -> None:
        self._schema = schema
        self._batch_size = batch_size
        self._rows = rows

    def setup(self) -> None:
        self._decoder = ExamplesDecoder(self._schema)

    def process(self, path: str) -> Iterator[pa.RecordBatch]:
        records = untuned(tf.data.TFRecordDataset(path, "GZIP"))
        if self._rows is not None:
            records = records.take(self._rows)
        # A thread decodes the next batch while Beam processes this batch: the decoder releases Python's global lock.
        with ThreadPoolExecutor(1) as beside:
            ahead = None
            for batch in self._batches(records):
                before, ahead = ahead, beside.submit(self._decoder.DecodeBatch, batch)  # pyright: ignore[reportArgumentType]
                if before:
                    yield from _counted(before.result())
            if ahead:
                yield from _counted(ahead.result())

    def _batches(self, records: tf.data.Dataset) -> Iterator[NDArray[np.object_]]:
        if self._batch_size is not None:
            yield from records.batch(self._batch_size).as_numpy_iterator()
            return
        held: list[NDArray[np.object_]] = []
        size = 0
        # A TensorFlow thread decompresses the next records during the processing of these.
        for some in records.batch(_READ).prefetch(4).as_numpy_iterator():
            held.append(some)
            size += sum(map(len, some))
            if size > _BATCH_BYTES:
                yield np.concatenate(held)
                held, size = [], 0
        if held:
            yield np.concatenate(held)


def _counted(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield a batch, and count its rows when Beam has processed them."""
    yield batch
    count(batch.num_rows)


def _files(pattern: str) -> list[str]:
    return matching([pattern])
