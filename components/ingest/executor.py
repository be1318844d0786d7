"""The Beam pipeline that turns files into splits of tf.Examples."""

from __future__ import annotations

import contextlib
import functools
import math
import pickle
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import loky
import tensorflow as tf
from absl import logging
from google.protobuf import json_format
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from components.compat.tfx_executors import OpenBeamExecutor
from components.ingest.counts import Counts
from components.ingest.errors import IngestError
from components.ingest.header import check_columns
from components.ingest.properties import unpack
from components.ingest.rows.shards import SPLITS, Piece, RangeReader, Shard, examples_of
from components.ingest.sources.base import SourceSpec
from components.ingest.sources.files.ranges import RANGE_BYTES, Range
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec

_SHARD_BYTES = 8 << 20
_MOST = 1000
"""Files of a split, and ranges of a source, about: each range has a piece of each file."""
_ENOUGH_FOR_PROCESSES = 4 << 20
_UNFINISHED = "unfinished"


class ExampleGenExecutor(OpenBeamExecutor):
    """Executor that reads the source, splits by row hash, and writes gzip TFRecord.

    Beam sees ranges of files and pieces of shards, not single rows: at a few microseconds a row, Beam's own work per
    element would be the larger part. The stock executor's split and writer work on single rows, hence this one beside
    it. The rows themselves wait in files, so that memory does not grow with their number.

    The same rows give the same files byte for byte, whatever the runner: a row's split, shard and place in
    the shard follow from its hash. This also mixes the rows.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the splits of the examples artifact, and `counts.json`, `files.jsonl` and `dead_letters.jsonl`.

        Raises:
            IngestError: The data is not fit for training: see `check_columns` and `Counts.check`. As TFX removes the
                outputs of a failed node, the counts and dead letters then lie in `<uri of the artifact>-failed/`.
        """
        data = unpack(exec_properties)
        config = json_format.Parse(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], example_gen_pb2.Input())
        base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        source = source_of(data.source)
        files = source.files(base, config.splits[0].pattern)
        check_columns(data, files)

        artifact = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")

        size = source.size(files)
        shards = _shards(data, size)
        unfinished = f"{artifact.uri}/{_UNFINISHED}"
        held, written = f"{unfinished}/counts.pickle", f"{unfinished}/written.pickle"
        fileio.makedirs(unfinished)
        local = "--runner=FnApiRunner" in self.beam_args
        processes = loky.cpu_count() if local and size > _ENOUGH_FOR_PROCESSES else 1
        with self.beam_pipeline() as pipeline:
            ranges_of_files = (
                pipeline
                | "Files" >> beam.Create(files)
                | "Ranges" >> beam.FlatMap(_ranges, data.source, max(RANGE_BYTES, size // _MOST))
            )
            # Beam's local runner works in one process; elsewhere the engine spreads the ranges.
            lists = (
                ranges_of_files | "All" >> beam.combiners.ToList()
                if local
                else ranges_of_files | "Spread" >> beam.Reshuffle() | "Each" >> beam.Map(lambda one: [one])
            )
            reader = RangeReader(data, shards, unfinished)
            read = lists | "Rows" >> beam.ParDo(_ReadRanges(reader, processes)).with_outputs("counts", main="pieces")
            _ = (
                read["counts"]
                | "Merge" >> beam.CombineGlobally(_merge, keep=data.bad_rows_kept)
                | "Hold" >> beam.Map(_hold, held)
            )
            # Every shard gets a file, also one that no row falls into.
            every = [((split, shard, number), None) for split, number in shards.items() for shard in range(number)]
            _ = (
                (read["pieces"], pipeline | "Shards" >> beam.Create(every))
                | "Join" >> beam.Flatten()
                | "ByShard" >> beam.GroupByKey()
                | "Write" >> beam.ParDo(_WriteShard(artifact.uri))
                | "Written" >> beam.combiners.ToList()
                | "HoldWritten" >> beam.Map(_hold, written)
            )

        counts, examples = _held(held), Counter[str]()
        for split, number in _held(written):
            examples[split] += number
        fileio.rmtree(unfinished)
        counts.write(artifact.uri, list(SPLITS))
        try:
            counts.check(data, list(SPLITS), examples)
        except IngestError as error:
            failed = artifact.uri.rstrip("/") + "-failed"
            counts.write(failed, list(SPLITS))
            raise IngestError(f"{error}\nCounts and bad rows: {failed}") from None
        logging.info("Wrote %s; bad rows: %s.", dict(counts.rows), dict(counts.bad))


class _ReadRanges(beam.DoFn):
    """Ranges of files -> (shard, piece) for each of their pieces, and their counts."""

    def __init__(self, reader: RangeReader, processes: int) -> None:
        self._reader = reader
        self._processes = processes

    def process(self, ranges: list[Range]) -> Iterator[Any]:
        with contextlib.ExitStack() as stack:
            read = map
            if (processes := min(self._processes, len(ranges))) > 1:
                # Loky's processes start without what this one has loaded, and if one of them is killed, by the system
                # for its memory for instance, that is an error and no endless wait.
                read = stack.enter_context(loky.ProcessPoolExecutor(processes)).map
            for counts, pieces in read(self._reader, ranges):
                yield from pieces
                yield beam.pvalue.TaggedOutput("counts", counts)


class _WriteShard(beam.DoFn):
    """((split, shard, shards), pieces) -> one whole file or none; (split, number of examples)."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def process(self, element: tuple[Shard, Iterable[Piece | None]]) -> Iterator[tuple[str, int]]:
        (split, shard, number), pieces = element
        folder = f"{self._uri}/Split-{split}"
        path = f"{folder}/data_tfrecord-{shard:05d}-of-{number:05d}.gz"
        # Not in the split's folder: everything there is taken for data.
        unfinished = f"{self._uri}/{_UNFINISHED}/{split}-{shard:05d}-{uuid.uuid4().hex}"
        fileio.makedirs(folder)
        with tf.io.TFRecordWriter(unfinished, tf.io.TFRecordOptions("GZIP", compression_level=1)) as writer:
            examples = examples_of([piece for piece in pieces if piece])
            for example in examples:
                writer.write(example)
        fileio.rename(unfinished, path, overwrite=True)
        yield split, len(examples)


def _ranges(file: str, source: SourceSpec, size: int) -> Iterator[Range]:
    return source_of(source).ranges(file, size)


def _shards(data: DataSpec, size: int) -> dict[str, int]:
    """Return the number of files of each split: about `_SHARD_BYTES` of text to a file, and not too many files."""
    shares = data.splits.model_dump()
    shard = max(_SHARD_BYTES, size // _MOST) * sum(shares.values())
    return {split: max(1, math.ceil(size * data.share * shares[split] / shard)) for split in SPLITS}


def _merge(counts: Iterable[Counts], keep: int) -> Counts:
    return functools.reduce(lambda a, b: a.merge(b, keep), counts, Counts())


def _hold(result: Any, path: str) -> None:
    with fileio.open(path, "wb") as stream:
        stream.write(pickle.dumps(result))


def _held(path: str) -> Any:
    with fileio.open(path, "rb") as stream:
        return pickle.loads(stream.read())
