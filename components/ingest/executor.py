"""The Beam pipeline that turns files into splits of tf.Examples."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
import pickle
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from absl import logging
from google.protobuf import json_format
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from components.ingest.columns import check_columns
from components.ingest.counts import Counts
from components.ingest.errors import IngestError, RowError, ShortRow
from components.ingest.files import list_files
from components.ingest.properties import unpack
from components.ingest.ranges import Range, ranges
from components.ingest.readers import read
from components.ingest.rows import HASH_BYTES, RowReader, columns_read, row_hash, serialize
from components.ingest.spec import DataSpec

SPLITS = ("train", "eval", "test")
_SHARD_BYTES = 8 << 20
_BATCH_BYTES = 1 << 20
_UNPACKED = 4  # a packed file is taken to hold so many times its size

Shard = tuple[str, int, int]
"""Split, number of the shard, number of the split's shards."""
Record = bytes
"""Hash of the row, then the serialized Example: one object, which Python's garbage collector need not look into."""


class Executor(BaseBeamExecutor):
    """Reads the source, splits by row hash, and writes gzip TFRecord.

    Beam sees batches of serialized Examples, not single rows: at a few microseconds a row, Beam's own work per element
    would be the larger part. The stock executor's split and writer work on single rows, hence this one beside it.

    The same rows give the same files byte for byte, whatever the runner: a row's split, shard and place in
    the shard follow from its hash. This also mixes the rows.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes splits train, eval and test of the examples artefact, `counts.json` and `dead_letters.jsonl`.

        Raises:
            IngestError: the data is not fit for training: see `check_columns` and `Counts.check`. As TFX removes the
                outputs of a failed node, the counts and dead letters then lie in `<uri of the artefact>-failed/`.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        data = unpack(exec_properties)
        config = json_format.Parse(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], example_gen_pb2.Input())
        base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        files = list_files(data.source.kind, base, config.splits[0].pattern)
        check_columns(data, files)

        artifact = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")

        shards = _shards(data, files)
        held = f"{artifact.uri}/counts.pickle"
        fileio.makedirs(artifact.uri)
        with self._make_beam_pipeline() as pipeline:
            parts = (
                pipeline
                | "Files" >> beam.Create(files)
                | "Ranges" >> beam.FlatMap(ranges, data.source.kind)
                | "Spread" >> beam.Reshuffle()
                | "Rows" >> beam.ParDo(_ReadRows(data, shards)).with_outputs("counts", main="records")
            )
            _ = (
                parts["counts"]
                | "Merge" >> beam.CombineGlobally(_merge, keep=data.bad_rows_kept)
                | "Hold" >> beam.Map(_hold, held)
            )
            # Every shard gets a file, also one that no row falls into.
            every = [((split, shard, number), []) for split, number in shards.items() for shard in range(number)]
            _ = (
                (parts["records"], pipeline | "Shards" >> beam.Create(every))
                | "Join" >> beam.Flatten()
                | "ByShard" >> beam.GroupByKey()
                | "Write" >> beam.ParDo(_WriteShard(artifact.uri))
            )

        with fileio.open(held, "rb") as stream:
            counts = pickle.loads(stream.read())
        fileio.remove(held)
        counts.write(artifact.uri, list(SPLITS))
        try:
            counts.check(data, list(SPLITS))
        except IngestError as error:
            failed = artifact.uri.rstrip("/") + "-failed"
            counts.write(failed, list(SPLITS))
            raise IngestError(f"{error}\nCounts and bad rows: {failed}") from None
        logging.info("Wrote %s; %d bad and %d short rows.", dict(counts.rows), counts.bad.total(), counts.short)


class _ReadRows(beam.DoFn):
    """Range -> ((split, shard, shards), [hash + Example, ...]), and the counts of the range."""

    def __init__(self, data: DataSpec, shards: dict[str, int]) -> None:
        self._data = data
        self._shards = shards
        self._bounds = list(itertools.accumulate(getattr(data.splits, split) for split in SPLITS))

    def setup(self) -> None:
        self._columns = RowReader(self._data)

    def process(self, part: Range) -> Iterator[Any]:
        data, keep = self._data, self._data.bad_rows_kept
        counts = Counts(unseen=set(columns_read(data)))
        batches: dict[Shard, list[Record]] = {}
        held = 0
        for line, row in read(part, data):
            counts.read += 1
            if isinstance(row, RowError):
                counts.add_bad(part.path, line, row, keep)
                continue
            if counts.unseen:
                counts.unseen.difference_update(row)
                counts.columns.update(itertools.islice(row, 100 - len(counts.columns)))
            try:
                columns = self._columns(row)
                key = row_hash(columns, data, row)
                record = key + serialize(columns)
            except RowError as error:
                counts.add_bad(part.path, line, error, keep)
                continue
            except ShortRow:
                counts.short += 1
                continue
            if not self._taken(key):
                counts.left_out += 1
                continue
            shard = self._shard(key)
            counts.rows[shard[0]] += 1
            counts.examples[shard[0]] += len(columns[data.inputs[0]]) - 1 if data.shape == "sequence" else 1
            batches.setdefault(shard, []).append(record)
            held += len(record)
            if held > _BATCH_BYTES:
                yield from batches.items()
                batches, held = {}, 0
        yield from batches.items()
        yield beam.pvalue.TaggedOutput("counts", counts)

    def _shard(self, key: bytes) -> Shard:
        split = SPLITS[bisect.bisect(self._bounds, int.from_bytes(key[:8], "big") % self._bounds[-1])]
        number = self._shards[split]
        return split, int.from_bytes(key[8:12], "big") % number, number

    def _taken(self, key: bytes) -> bool:
        # Four bytes of their own: the share must not shift the splits.
        return int.from_bytes(key[12:], "big") < self._data.share * 2**32


class _WriteShard(beam.DoFn):
    """((split, shard, shards), batches of records) -> one file, which is there whole or not at all."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def process(self, element: tuple[Shard, Iterable[list[Record]]]) -> None:
        (split, shard, number), batches = element
        folder = f"{self._uri}/Split-{split}"
        path = f"{folder}/data_tfrecord-{shard:05d}-of-{number:05d}.gz"
        # Not in the split's folder: everything there is taken for data.
        unfinished = f"{self._uri}/unfinished-{split}-{shard:05d}-{uuid.uuid4().hex}"
        fileio.makedirs(folder)
        with tf.io.TFRecordWriter(unfinished, tf.io.TFRecordOptions("GZIP", compression_level=1)) as writer:
            for record in sorted(itertools.chain.from_iterable(batches)):
                writer.write(record[HASH_BYTES:])
        fileio.rename(unfinished, path, overwrite=True)


def _shards(data: DataSpec, files: list[str]) -> dict[str, int]:
    """How many files each split gets: about `_SHARD_BYTES` of the source's (unpacked) text to a file."""
    size = sum(fileio.stat(f).length * (_UNPACKED if f.endswith((".gz", ".parquet", ".pq")) else 1) for f in files)
    shares = data.splits.model_dump()
    size *= data.share
    return {split: max(1, math.ceil(size * shares[split] / sum(shares.values()) / _SHARD_BYTES)) for split in SPLITS}


def _merge(parts: Iterable[Counts], keep: int) -> Counts:
    return functools.reduce(lambda a, b: a.merge(b, keep), parts, Counts())


def _hold(counts: Counts, path: str) -> None:
    with fileio.open(path, "wb") as stream:
        stream.write(pickle.dumps(counts))
