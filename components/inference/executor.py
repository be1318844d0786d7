"""Beam pipeline that turns files of rows into shards of answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from absl import logging
from tfx import types
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs

from components.beam_results import BeamResult
from components.compat.tfx.executors import OpenBeamExecutor
from components.files import remove_tree
from components.inference.errors import PredictError
from components.inference.files import checked
from components.inference.model import PushedModel
from components.inference.results import write_results
from components.inference.rows.questions import Questions
from components.inference.shards import UNFINISHED, Shard, ShardWriter
from components.inference.spec import InferenceSpec
from components.ingest.sources.base import RANGE_BYTES, Range
from components.ingest.sources.files.listing import length
from components.ingest.spec import DataSpec
from components.messages.exit_codes import FAILED
from components.messages.progress import Progress
from components.pushing.executor import REASON_KEY

_MOST = 1000
"""Approximate maximum number of shards."""
_LINES_SHOWN = 20
Numbered = tuple[int, Range]
"""Number of a shard, and its rows."""
_Cut = tuple[int, list[Range], str]
"""Number of a file, its ranges, and the reason if the file cannot be read."""


class BulkInferrerExecutor(OpenBeamExecutor):
    """Executor that writes the answers of the pushed model for files of rows.

    As in TFX's BulkInferrer, a model without a blessing is not used. The elements of the Beam pipeline are ranges of
    files, not rows. Each range becomes a shard, so the answers are in the order of the rows, and equal rows result in
    equal files.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the answers, the reasons for missing answers, and `inference.json`.

        Args:
            input_dict: Artifact `pushed_model`.
            output_dict: Artifact `inference_result`.
            exec_properties: Property `inference`, an `InferenceSpec` as JSON.

        Raises:
            PredictError: A file cannot be read to its end, or no row can be used. TFX removes the answers of a failed
                node.
        """
        spec = InferenceSpec.model_validate_json(exec_properties["inference"])
        pushed = artifact_utils.get_single_instance(input_dict[standard_component_specs.PUSHED_MODEL_KEY])
        uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.INFERENCE_RESULT_KEY])
        about = {"path": spec.path, "model": pushed.get_string_custom_property("pushed_destination"), "refusal": ""}
        nothing = {"files": 0, "rows": 0, "unusable": 0, "shards": 0, "reasons": [], "warnings": []}
        if not pushed.get_int_custom_property("pushed"):
            refusal = pushed.get_string_custom_property(REASON_KEY) or "not blessed"
            write_results(uri, {**about, **nothing, "refusal": refusal})
            return
        model = PushedModel(pushed.uri)
        top, least = model.labels(spec.top, "inference.top: "), None
        if spec.chosen:
            top, least = model.chosen(spec.top, "inference.chosen", "inference.top: ")
        files = checked(spec, model.data, logging.warning)
        unfinished = f"{uri}/{UNFINISHED}"
        fileio.makedirs(unfinished)
        ranges = self._ranges(files, model.data, BeamResult(f"{unfinished}/ranges.json", list[_Cut]))
        writer = ShardWriter(pushed.uri, spec.keep, top, uri, len(ranges), least)
        shards = self._shards(ranges, writer, BeamResult(f"{unfinished}/shards.json", list[Shard]))
        remove_tree(unfinished)
        if faults := [shard.fault for shard in shards if shard.fault]:
            raise PredictError("\n".join(dict.fromkeys(faults[:_LINES_SHOWN])), FAILED)
        rows, unusable = sum(shard.rows for shard in shards), sum(shard.unusable for shard in shards)
        reasons = [reason for shard in shards for reason in shard.reasons][:_LINES_SHOWN]
        if rows and unusable == rows:
            first = "\n".join(reasons[:3])
            raise PredictError(f"none of the {rows:,} rows of {spec.path} can be used:\n{first}", FAILED)
        counts = {"files": len(files), "rows": rows, "unusable": unusable, "shards": len(shards)}
        warnings = next((shard.warnings for shard in shards if shard.warnings), [])
        write_results(uri, {**about, **counts, "reasons": reasons, "warnings": warnings})
        logging.info("Answered %d rows of %d files.", rows - unusable, len(files))

    def _ranges(self, files: Sequence[str], data: DataSpec, place: BeamResult[list[_Cut]]) -> list[Numbered]:
        """Return the ranges of the files, in order. This may need a pass over each file."""
        size = max(RANGE_BYTES, sum(map(length, files)) // _MOST)
        with self.beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Files" >> beam.Create([*enumerate(files)], reshuffle=True)
                | "Ranges" >> beam.Map(_cut, data, size)
                | "All" >> beam.combiners.ToList()
                | "Hold" >> beam.Map(place.write)
            )
        found = place.read()
        if faults := [fault for _, _, fault in found if fault]:
            raise PredictError("\n".join(faults[:_LINES_SHOWN]), FAILED)
        return [*enumerate(each for _, ranges, _ in sorted(found, key=lambda entry: entry[0]) for each in ranges)]

    def _shards(self, ranges: list[Numbered], writer: ShardWriter, place: BeamResult[list[Shard]]) -> list[Shard]:
        """Write a shard for each range."""
        # Beam's local runner has one process, in which TensorFlow uses all cores. Other engines distribute the ranges.
        local = "--runner=FnApiRunner" in self.beam_args
        with self.beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Lists" >> beam.Create([ranges] if local else [[each] for each in ranges], reshuffle=True)
                | "Answer" >> beam.ParDo(_Answer(writer, shown=local))
                | "All" >> beam.combiners.ToList()
                | "Hold" >> beam.Map(place.write)
            )
        return sorted(place.read(), key=lambda shard: shard.number)


class _Answer(beam.DoFn):
    """DoFn that writes the shard of each range.

    Args:
        writer: Function that writes a shard.
        shown: True to show the progress.
    """

    def __init__(self, writer: ShardWriter, shown: bool) -> None:
        self._writer, self._shown = writer, shown

    def process(self, ranges: list[Numbered]) -> Iterator[Shard]:
        lines = [each.lines for _, each in ranges]
        total = sum(filter(None, lines)) if self._shown and None not in lines else 0
        progress = Progress("inference", total, "rows") if total else None
        done = 0
        for number, file_range in ranges:
            before = done
            shard = self._writer(number, file_range, lambda rows, so=before: progress and progress.update(so + rows))
            done += shard.rows
            yield shard
            if shard.fault:  # The node fails in any case, so the other ranges are skipped.
                break
        if progress:
            progress.close()


def _cut(file: tuple[int, str], data: DataSpec, size: int) -> _Cut:
    """Cut a file into ranges."""
    number, path = file
    try:
        return number, Questions(data, logging.warning).ranges(path, size), ""
    except PredictError as error:
        return number, [], str(error)
