"""Sums of each test row, of the model and of the baselines, in a Parquet file beside the evaluation.

The file has the column `row`, the number of the row, and a float64 column for each model and sum of the label, such as
`model/nll` and `bigram/hit_10`. If a split has more than `GROUPS` rows, row n of the file is the sum of the rows n,
n + GROUPS, n + 2 GROUPS, and so on. The size of the file is therefore bounded.

Each column of the slices has a text column, such as `slice/decade`: the value of the row, or null if the row has
none or several, or if the rows of a sum differ.
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
_FILE, _ROW, _MODEL, _SLICE = "row_sums", "row", "model", "slice/"
_Row = tuple[NDArray[np.float64], tuple[str | None, ...]]
"""Sums of each model, and the value of the row in each column of the slices."""


def row_sums_extractor(folder: str, eval_config: config_pb2.EvalConfig) -> extractor.Extractor:
    """Return an extractor that writes the sums of each row, and passes the rows on.

    Args:
        folder: URI of the `evaluation` artifact.
        eval_config: Configuration of the evaluation, with the names of the models.
    """
    model = constants.CANDIDATE_KEY if len(eval_config.model_specs) > 1 else ""
    slices = tuple(key for spec in eval_config.slicing_specs for key in spec.feature_keys)
    return extractor.Extractor("WriteRowSums", _Write(folder, model, read_targets(eval_config)[0], slices))


def read_row_sums(evaluation: str, label: Target) -> NDArray[np.float64]:
    """Read the sums of all rows, in the order of the rows.

    Args:
        evaluation: URI of the `evaluation` artifact.
        label: Label as a target.

    Returns:
        (rows, 1 + baselines, len(label.sums)) sums; the model comes first.
    """
    table = _read(evaluation)
    columns = [np.asarray(table[name], np.float64) for name in _columns(label)]
    return np.stack(columns, axis=1).reshape(len(table), 1 + len(label.baselines), len(label.sums))


def read_row_slices(evaluation: str) -> dict[str, list[str | None]]:
    """Read the values of all rows in the columns of the slices, in the order of the rows.

    Args:
        evaluation: URI of the `evaluation` artifact. An evaluation of an earlier version has none.

    Returns:
        (rows,) texts by column; None for a row that has no single value.
    """
    table = _read(evaluation)
    names = [name for name in table.column_names if name.startswith(_SLICE)]
    return {name.removeprefix(_SLICE): table[name].to_pylist() for name in names}


def _read(evaluation: str) -> pa.Table:
    tables = []
    for path in matching([f"{evaluation}/{_FILE}-*.parquet"]):
        with open_bytes(path) as file:
            tables.append(pq.read_table(pa.BufferReader(file.read())))
    return pa.concat_tables(tables).sort_by(_ROW)


class _Write(beam.PTransform):
    """Transform that writes the sums of rows, and passes the rows on.

    Args:
        folder: Folder to write to.
        model: Name of the model; empty if the evaluation has only one model.
        label: Label as a target.
        slices: Columns of the slices.
    """

    def __init__(self, folder: str, model: str, label: Target, slices: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._folder, self._label, self._slices = folder, label, slices
        self._sums = RowSums(model, (label,))

    def expand(self, input_or_inputs: beam.PCollection) -> beam.PCollection:
        """Add the steps to the pipeline."""
        sums = [(name, pa.float64()) for name in _columns(self._label)]
        schema = pa.schema([(_ROW, pa.int64()), *sums, *((_SLICE + name, pa.string()) for name in self._slices)])
        _ = (
            input_or_inputs
            | "Number" >> beam.FlatMap(_numbered, self._sums, self._slices)
            | "Group" >> beam.CombinePerKey(_added)
            | "Record" >> beam.Map(_record, _columns(self._label), len(self._label.sums), self._slices)
            | "Write" >> beam.io.WriteToParquet(f"{self._folder}/{_FILE}", schema, file_name_suffix=".parquet")
        )
        return input_or_inputs


def _numbered(extracts: Any, sums: RowSums, slices: tuple[str, ...]) -> Iterable[tuple[int, _Row]]:
    features = extracts[constants.FEATURES_KEY]
    number = np.ravel(features[ROW_NUMBER]) if ROW_NUMBER in features else np.zeros(0)
    if len(number) != 1:
        raise ValueError(f"a row has {len(number)} values in '{ROW_NUMBER}', not 1")
    for (label,) in sums.process(extracts):
        yield int(number[0]) % GROUPS, (label, tuple(_text(features.get(name)) for name in slices))


def _text(values: Any) -> str | None:
    """Return the single value of a feature as text, as the keys of slices have it; None without a single value."""
    found = [] if values is None else np.ravel(values).tolist()
    if len(found) != 1:
        return None
    return found[0].decode(errors="replace") if isinstance(found[0], bytes) else str(found[0])


def _added(rows: Iterable[_Row]) -> _Row | None:
    found = list(rows)
    if not found:
        return None
    values = zip(*(of for _, of in found), strict=True)
    return np.sum([sums for sums, _ in found], axis=0), tuple(one[0] if len(set(one)) == 1 else None for one in values)


def _record(
    numbered: tuple[int, _Row], columns: list[str], sums: int, slices: tuple[str, ...]
) -> dict[str, int | float | str | None]:
    number, (rows, values) = numbered
    # The sums over all labels come first, followed by the sums of the bands.
    return {
        _ROW: number,
        **dict(zip(columns, rows[:, :sums].ravel().tolist(), strict=True)),
        **{_SLICE + name: value for name, value in zip(slices, values, strict=True)},
    }


def _columns(label: Target) -> list[str]:
    return [f"{model}/{of.name}" for model in (_MODEL, *label.baselines) for of in label.sums]
