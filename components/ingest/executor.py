"""Beam pipeline that turns files into splits of tf.Examples."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import loky
from absl import logging
from apache_beam.pvalue import PValue
from google.protobuf import json_format
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from components.beam_results import BeamResult
from components.compat.tfx.executors import OpenBeamExecutor
from components.files import remove_tree
from components.ingest.counts import Counts
from components.ingest.errors import IngestError
from components.ingest.events.grouped import grouped_events, write_partition
from components.ingest.events.spill import EventSpiller, Partition, Piece, partitions_for
from components.ingest.header import check_columns
from components.ingest.options.splits import SPLITS
from components.ingest.properties import unpack
from components.ingest.rows.assignment import split_rule
from components.ingest.rows.latest import LatestReader
from components.ingest.rows.shards import Piece as ShardPiece
from components.ingest.rows.shards import RangeReader, Shard, ShardWriter
from components.ingest.rows.times import Boundaries, Latest
from components.ingest.sources.base import SourceSpec
from components.ingest.sources.files.ranges import RANGE_BYTES, Range
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec
from components.ingest.split_files import Files, list_by_split
from components.messages.counting import tracked

_SHARD_BYTES = 8 << 20
_MOST = 1000
"""Approximate maximum number of shards of a split, and of ranges of a source. Each range has a piece of each shard."""
ENOUGH_FOR_PROCESSES = 4 << 20
"""Bytes of a source above which several processes read it. They take seconds of CPU time to start."""
_UNFINISHED = "unfinished"


class ExampleGenExecutor(OpenBeamExecutor):
    """Executor that reads the source, splits its rows, and writes gzip TFRecord.

    The elements of the Beam pipeline are ranges of files and pieces of shards, not rows: a row takes a few
    microseconds, less than Beam's overhead per element. TFX's executor splits and writes single rows. Rows are spilled
    to disk, so memory use does not grow with the number of rows.

    Equal rows result in equal files, byte for byte, on every runner: the hash of a row determines its shard, its
    position in the shard and, by default, its split. This also shuffles the rows. A split by time needs a first pass
    over the rows, which finds the latest time.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the splits of the examples artifact, and `counts.json`, `files.jsonl` and `dead_letters.jsonl`.

        Raises:
            IngestError: The data is not fit for training; see `check_columns` and `Counts.check`. TFX removes the
                outputs of a failed node. The counts and dead letters are therefore copied to
                `<uri of the artifact>-failed/`.
        """
        data = unpack(exec_properties)
        config = json_format.Parse(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], example_gen_pb2.Input())
        base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        source = source_of(data.source)
        files = list_by_split(source, base, config.splits[0].pattern)
        check_columns(data, [file for part in files.values() for file in part])

        artifact = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")

        sizes = {split: source.size(part) for split, part in files.items()}
        size = sum(sizes.values())
        shards = _shards(data, sizes)
        unfinished = f"{artifact.uri}/{_UNFINISHED}"
        total = BeamResult(f"{unfinished}/counts.json", Counts)
        written = BeamResult(f"{unfinished}/written.json", list[tuple[str, int]])
        fileio.makedirs(unfinished)
        local = "--runner=FnApiRunner" in self.beam_args
        processes = loky.cpu_count() if local and size > ENOUGH_FOR_PROCESSES else 1
        ranges = functools.partial(_Ranges, data.source, files, max(RANGE_BYTES, size // _MOST), local)
        boundaries = events = grouped = None
        if data.group_by:
            grouped = self._group(data, ranges, size, unfinished, processes)
            boundaries = Boundaries.of(data.splits, grouped.times) if data.splits.by_time is not None else None
            events = grouped_events(data, grouped.times)
            ranges = functools.partial(_Listed, grouped.ranges, local)
        elif data.splits.by_time is not None:
            latest = BeamResult(f"{unfinished}/latest.json", Latest)
            with self.beam_pipeline() as pipeline:
                _ = (
                    pipeline
                    | "Lists" >> ranges()
                    | "Times" >> beam.ParDo(_ReadTimes(LatestReader(data), processes, data.source))
                    | "Latest" >> beam.CombineGlobally(_latest)
                    | "HoldLatest" >> beam.Map(latest.write)
                )
            boundaries = Boundaries.of(data.splits, latest.read())
        with self.beam_pipeline() as pipeline:
            lists = pipeline | "Lists" >> ranges()
            reader = RangeReader(data, shards, unfinished, boundaries, events)
            read = lists | "Rows" >> beam.ParDo(
                _ReadRanges(reader, processes, None if grouped else data.source)
            ).with_outputs("counts", main="pieces")
            _ = (
                read["counts"]
                | "Merge" >> beam.CombineGlobally(_merge, keep=data.bad_rows_kept)
                | "Hold" >> beam.Map(total.write)
            )
            # Every shard gets a file, even if it has no row.
            every = [((split, shard, number), None) for split, number in shards.items() for shard in range(number)]
            _ = (
                (read["pieces"], pipeline | "Shards" >> beam.Create(every))
                | "Join" >> beam.Flatten()
                | "ByShard" >> beam.GroupByKey()
                | "Together" >> _Lists(local)
                | "Write" >> beam.ParDo(_WriteShards(ShardWriter(artifact.uri, unfinished), processes))
                | "Written" >> beam.combiners.ToList()
                | "HoldWritten" >> beam.Map(written.write)
            )

        counts, examples = total.read(), Counter[str]()
        if grouped:
            counts = grouped.counts.with_rows_of_events(counts, data.bad_rows_kept)
        for split, number in written.read():
            examples[split] += number
        remove_tree(unfinished)
        rule = boundaries.rule if boundaries else split_rule(data)
        counts.write(artifact.uri, list(SPLITS), rule)
        try:
            counts.check(data, list(SPLITS), examples, rule)
        except IngestError as error:
            failed = artifact.uri.rstrip("/") + "-failed"
            counts.write(failed, list(SPLITS), rule)
            raise IngestError(f"{error}\nCounts and bad rows: {failed}") from None
        logging.info("Wrote %s; bad rows: %s.", dict(counts.rows), dict(counts.bad))

    def _group(
        self, data: DataSpec, ranges: Callable[[], beam.PTransform], size: int, folder: str, processes: int
    ) -> _Grouped:
        """Write the events of the source into partitions by their groups."""
        counts = BeamResult(f"{folder}/events.json", Counts)
        times = BeamResult(f"{folder}/times.json", Latest)
        partitions = BeamResult(f"{folder}/partitions.json", list[tuple[str, str]])
        with self.beam_pipeline() as pipeline:
            spiller = EventSpiller(data, partitions_for(size), folder)
            spilled = (
                pipeline
                | "Lists" >> ranges()
                | "Events"
                >> beam.ParDo(_SpillEvents(spiller, processes, data.source)).with_outputs(
                    "counts", "times", main="pieces"
                )
            )
            _ = (
                spilled["counts"]
                | "Merge" >> beam.CombineGlobally(_merge, keep=data.bad_rows_kept)
                | "Hold" >> beam.Map(counts.write)
            )
            _ = spilled["times"] | "Latest" >> beam.CombineGlobally(_latest) | "HoldTimes" >> beam.Map(times.write)
            _ = (
                spilled["pieces"]
                | "ByPartition" >> beam.GroupByKey()
                | "List" >> beam.Map(_partition, folder)
                | "All" >> beam.combiners.ToList()
                | "HoldPartitions" >> beam.Map(partitions.write)
            )
        return _Grouped(counts.read(), times.read(), sorted(partitions.read()))


@dataclasses.dataclass(frozen=True)
class _Grouped:
    """Partitions of the events of a source.

    Attributes:
        counts: Counts of the events.
        times: Latest times of the events.
        partitions: Split and path of each partition.
    """

    counts: Counts
    times: Latest
    partitions: list[tuple[str, str]]

    @property
    def ranges(self) -> list[Range]:
        """Return the partitions as ranges of files."""
        return [Range(path, split=split) for split, path in self.partitions]


class _Lists(beam.PTransform):
    """Transform that groups elements into lists.

    Beam's local runner works in one process, so it gets one list with all elements, which a DoFn distributes among
    processes. Other engines distribute lists of one element.
    """

    def __init__(self, local: bool) -> None:
        super().__init__()
        self._local = local

    def expand(self, input_or_inputs: beam.PCollection) -> PValue:
        if self._local:
            return input_or_inputs | "All" >> beam.combiners.ToList()
        return input_or_inputs | "Each" >> beam.Map(lambda one: [one])


class _Listed(beam.PTransform):
    """Transform that creates a collection of known ranges; see `_Ranges`."""

    def __init__(self, ranges: list[Range], local: bool) -> None:
        super().__init__()
        self._lists = [ranges] if local else [[each] for each in ranges]

    def expand(self, input_or_inputs: beam.Pipeline) -> beam.PCollection[list[Range]]:
        return input_or_inputs | "Create" >> beam.Create(self._lists, reshuffle=True)


class _Ranges(beam.PTransform):
    """Transform that cuts files into lists of ranges, see `_Lists`.

    Args:
        source: Source of the files.
        files: Files by split.
        size: Minimum size of a range in bytes.
        local: True for Beam's local runner.
    """

    def __init__(self, source: SourceSpec, files: Files, size: int, local: bool) -> None:
        super().__init__()
        self._source, self._size, self._local = source, size, local
        self._files = [(split, file) for split, part in files.items() for file in part]

    def expand(self, input_or_inputs: beam.Pipeline) -> beam.PCollection[list[Range]]:
        ranges = (
            input_or_inputs
            | "Files" >> beam.Create(self._files)
            | "Ranges" >> beam.FlatMap(_ranges, self._source, self._size)
        )
        return (ranges if self._local else ranges | "Spread" >> beam.Reshuffle()) | "Together" >> _Lists(self._local)


@contextlib.contextmanager
def _map_of(processes: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Return a context with a function like `map` that uses a number of processes."""
    if processes > 1:
        # Loky's processes do not inherit the modules of this process. If a process is killed, for instance for lack of
        # memory, Loky raises an error instead of waiting forever.
        with loky.ProcessPoolExecutor(processes) as pool:
            yield pool.map
    else:
        yield map


class _ReadTimes(beam.DoFn):
    """DoFn that maps ranges of files to the latest time of each range."""

    def __init__(self, reader: LatestReader, processes: int, source: SourceSpec) -> None:
        self._reader = reader
        self._processes = processes
        self._source = source

    def process(self, ranges: list[Range]) -> Iterator[Latest]:
        with _map_of(min(self._processes, len(ranges))) as read:
            yield from _tracked("times", ranges, self._source, read(self._reader, ranges))


class _ReadRanges(beam.DoFn):
    """DoFn that maps ranges of files to their pieces as (shard, piece), with a tagged output for the counts.

    Args:
        reader: Reader of a range.
        processes: Maximum number of processes.
        source: Source of the files. None: the ranges are partitions of events.
    """

    def __init__(self, reader: RangeReader, processes: int, source: SourceSpec | None) -> None:
        self._reader = reader
        self._processes = processes
        self._source = source

    def process(self, ranges: list[Range]) -> Iterator[Any]:
        with _map_of(min(self._processes, len(ranges))) as read:
            for counts, pieces in _tracked("rows", ranges, self._source, read(self._reader, ranges)):
                yield from pieces
                yield beam.pvalue.TaggedOutput("counts", counts)


class _SpillEvents(beam.DoFn):
    """DoFn that maps ranges of files to pieces of partitions, with tagged outputs for the counts and the times."""

    def __init__(self, spiller: EventSpiller, processes: int, source: SourceSpec) -> None:
        self._spiller, self._processes, self._source = spiller, processes, source

    def process(self, ranges: list[Range]) -> Iterator[Any]:
        with _map_of(min(self._processes, len(ranges))) as read:
            for counts, times, pieces in _tracked("events", ranges, self._source, read(self._spiller, ranges)):
                yield from pieces
                yield beam.pvalue.TaggedOutput("counts", counts)
                yield beam.pvalue.TaggedOutput("times", times)


class _WriteShards(beam.DoFn):
    """DoFn that writes shards from their pieces, and yields (split, number of Examples) of each shard."""

    def __init__(self, writer: ShardWriter, processes: int) -> None:
        self._writer, self._processes = writer, processes

    def process(self, shards: list[tuple[Shard, Iterable[ShardPiece | None]]]) -> Iterator[tuple[str, int]]:
        known = sorted((shard, [piece for piece in pieces if piece]) for shard, pieces in shards)
        with _map_of(min(self._processes, len(known))) as write:
            sizes = [sum(size for _, _, size in pieces) for _, pieces in known]
            yield from tracked("ExampleGen, shards", "bytes", lambda: sizes, write(self._writer, known))


def _tracked(work: str, ranges: list[Range], source: SourceSpec | None, results: Iterable[Any]) -> Iterator[Any]:
    """Yield the results of ranges, and count the bytes of each for the progress. Without a source, count the ranges."""
    if len(ranges) < 2:  # Its progress would be none or all.
        return iter(results)

    def sizes() -> list[int]:
        if source is None:
            return [1] * len(ranges)
        number, found = Counter(each.path for each in ranges), source_of(source)
        # The ranges of a file have about the same size.
        of_range = {path: max(1, found.size([path]) // of) for path, of in number.items()}
        return [of_range[each.path] for each in ranges]

    return tracked(f"ExampleGen, {work}", "partitions" if source is None else "bytes", sizes, results)


def _partition(element: tuple[Partition, Iterable[Piece]], folder: str) -> tuple[str, str]:
    """Write the list of the pieces of a partition, and return the split and the path of the list."""
    (split, number), pieces = element
    path = f"{folder}/partition-{split}-{number:05d}.json"
    write_partition(path, [*pieces])
    return split, path


def _ranges(file: tuple[str, str], source: SourceSpec, size: int) -> Iterator[Range]:
    split, path = file
    for each in source_of(source).ranges(path, size):
        yield dataclasses.replace(each, split=split)


def _shards(data: DataSpec, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the number of shards of each split, for about `_SHARD_BYTES` of text per shard, up to a maximum.

    Args:
        data: Data specification.
        sizes: Bytes of the files by split, as in `Files`.
    """
    size, shares = sum(sizes.values()), data.splits.shares
    whole = sum(shares.values())
    if data.splits.form:
        # Each split may contain almost all tokens. The number is unknown before the rows are read.
        shares, whole = dict.fromkeys(SPLITS, 1), 1
    elif "" not in sizes:
        rest = sizes["train"] * shares["eval"] / (shares["train"] + shares["eval"])
        shares, whole = {"eval": rest, **sizes}, size
    shard = max(_SHARD_BYTES, size // _MOST) * whole
    return {split: max(1, math.ceil(size * data.share * shares[split] / shard)) for split in SPLITS}


def _latest(found: Iterable[Latest]) -> Latest:
    return functools.reduce(Latest.merge, found, Latest())


def _merge(counts: Iterable[Counts], keep: int) -> Counts:
    return functools.reduce(lambda a, b: a.merge(b, keep), counts, Counts())
