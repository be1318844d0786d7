"""Sums of each test row, of the model and of the baselines, in a Parquet file beside the evaluation.

The file has the column `row`, the number of the row, and a float64 column for each model and sum of the label, such as
`model/nll` and `bigram/hit_10`. If a split has more than `GROUPS` rows, row n of the file is the sum of the rows n,
n + GROUPS, n + 2 GROUPS, and so on. The size of the file is therefore bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.compat.tfma import config_pb2, constants, extractor
from components.evaluation.config import read_targets
from components.evaluation.metrics import RowSums
from components.files import matching, open_bytes
from components.metrics.targets import ROW_NUMBER, Target

GROUPS = 200_000
"""Maximum number of rows in the file."""
_FILE, _ROW, _MODEL = "row_sums", "row", "model"


def row_sums_extractor(folder: str, eval_config: config_pb2.EvalConfig) -> extractor.Extractor:
    """Return an extractor that writes the sums of each row, and passes the rows on.

    Args:
        folder: URI of the `evaluation` artifact.
        eval_config: Configuration of the evaluation, with the names of the models.
    """
    model = constants.CANDIDATE_KEY if len(eval_config.model_specs) > 1 else ""
    return extractor.Extractor("WriteRowSums", _Write(folder, model, read_targets(eval_config)[0]))


def read_row_sums(evaluation: str, label: Target) -> NDArray[np.float64]:
    """Read the sums of all rows, in the order of the rows.

    Args:
        evaluation: URI of the `evaluation` artifact.
        label: Label as a target.

    Returns:
        (rows, 1 + baselines, len(label.sums)) sums; the model comes first.
    """
    tables = []
    for path in matching([f"{evaluation}/{_FILE}-*.parquet"]):
        with open_bytes(path) as file:
            tables.append(pq.read_table(pa.BufferReader(file.read())))
    table = pa.concat_tables(tables).sort_by(_ROW)
    columns = [np.asarray(table[name], np.float64) for name in _columns(label)]
    return np.stack(columns, axis=1).reshape(len(table), 1 + len(label.baselines), len(label.sums))


class _Write(beam.PTransform):
    """Transform that writes the sums of rows, and passes the rows on.

    Args:
        folder: Folder to write to.
        model: Name of the model; empty if the evaluation has only one model.
        label: Label as a target.
    """

    def __init__(self, folder: str, model: str, label: Target) -> None:
        super().__init__()
        self._folder, self._label = folder, label
        self._sums = RowSums(model, (label,))

    def expand(self, input_or_inputs: beam.PCollection) -> beam.PCollection:
        """Add the steps to the pipeline."""
        schema = pa.schema([(_ROW, pa.int64()), *((name, pa.float64()) for name in _columns(self._label))])
        _ = (
            input_or_inputs
            | "Number" >> beam.FlatMap(_numbered, self._sums)
            | "Group" >> beam.CombinePerKey(_added)
            | "Record" >> beam.Map(_record, _columns(self._label), len(self._label.sums))
            | "Write" >> beam.io.WriteToParquet(f"{self._folder}/{_FILE}", schema, file_name_suffix=".parquet")
        )
        return input_or_inputs


def _numbered(extracts: Any, sums: RowSums) -> Iterable[tuple[int, NDArray[np.float64]]]:
    features = extracts[constants.FEATURES_KEY]
    number = np.ravel(features[ROW_NUMBER]) if ROW_NUMBER in features else np.zeros(0)
    if len(number) != 1:
        raise ValueError(f"a row has {len(number)} values in '{ROW_NUMBER}', not 1")
    for (label,) in sums.process(extracts):
        yield int(number[0]) % GROUPS, label


def _added(rows: Iterable[NDArray[np.float64]]) -> NDArray[np.float64] | float:
    return sum(rows)


def _record(numbered: tuple[int, NDArray[np.float64]], columns: list[str], sums: int) -> dict[str, int | float]:
    number, rows = numbered
    # The sums over all labels come first, followed by the sums of the bands.
    return {_ROW: number, **dict(zip(columns, rows[:, :sums].ravel().tolist(), strict=True))}


def _columns(label: Target) -> list[str]:
    return [f"{model}/{of.name}" for model in (_MODEL, *label.baselines) for of in label.sums]
