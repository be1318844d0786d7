"""Number columns: Transform's analyzer of their moments, their z-scores, and a readable file of the moments.

The file `numbers` is an asset beside the vocabularies. It has a line "count JSON" for each column; see `read_numbers`.
"""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.pvalue import PValue
from numpy.typing import ArrayLike, NDArray

from components.compat import transform
from components.preprocessing.columns.moments import CONSTANT, Z_BOUND, Moments

if TYPE_CHECKING:
    import tensorflow_transform as tft

_FILE = "numbers"


@dataclass(frozen=True)
class Number:
    """Number column and its moments.

    Attributes:
        name: Name of the column.
        scaled: True if the column becomes z-scores. Targets and labels are not scaled.
        moments: Moments over the train split.
    """

    name: str
    scaled: bool
    moments: Moments


def analyzed(columns: Mapping[str, tf.SparseTensor], scaled: Collection[str]) -> dict[str, tf.Tensor]:
    """Compute the moments of columns over the analyzed data, and write them to the file `numbers`.

    All columns share one analyzer. Transform's analyzer cache keeps its results.

    Args:
        columns: Number columns by name.
        scaled: Names of the columns that become z-scores.

    Returns:
        Moments by name, each (6,) float64: count, mean, variance, least and greatest as in `Moments`, and the
        deviation.
    """
    if not columns:
        return {}
    with tf.name_scope(_FILE):
        combiner = _Combiner(len(columns))
        values = [tf.cast(column.values, tf.float64) for column in columns.values()]
        parts, moments = transform.combined(values, combiner)
        # Reads the accumulators before the merge: Transform packs combiners only if nothing else reads their result.
        names = [(name, name in scaled) for name in columns]
        lines = transform.applied(_Lines, parts, names=names, combiner=combiner)
        transform.sorted_file(lines, _FILE)
        return dict(zip(columns, tf.unstack(transform.as_tensor(moments)), strict=True))


def z_scores(column: tf.SparseTensor, moments: tf.Tensor) -> tf.SparseTensor:
    """Standardize a column.

        z = min(Z_BOUND, max(-Z_BOUND, (x - mean) / deviation)),   and 0 if the deviation is 0

    In a constant column every value has z = 0, even a value that was not in the train split. NaN is a missing value.

    Args:
        column: Numbers.
        moments: Moments from `analyzed`, shape (6,).

    Returns:
        Column of float32.
    """
    present = tf.sparse.retain(column, ~tf.math.is_nan(tf.cast(column.values, tf.float64)))
    return present.with_values(_standardized(present.values, moments))


def z_scores_in_place(column: tf.SparseTensor, moments: tf.Tensor) -> tf.SparseTensor:
    """Standardize a column like `z_scores`, but with z = 0 in the place of a missing value."""
    z = _standardized(column.values, moments)
    return column.with_values(tf.where(tf.math.is_nan(z), 0.0, z))


def _standardized(values: tf.Tensor, moments: tf.Tensor) -> tf.Tensor:
    mean, deviation = moments[1], moments[-1]
    distance = tf.cast(values, tf.float64) - mean
    # `divide_no_nan` returns 0 if the deviation is 0, even for an infinite distance.
    z = tf.clip_by_value(tf.math.divide_no_nan(distance, deviation), -Z_BOUND, Z_BOUND)
    return tf.cast(z, tf.float32)


def read_numbers(transform_output: tft.TFTransformOutput) -> list[Number]:
    """Read the moments of all number columns that Transform analyzed, sorted by name.

    Args:
        transform_output: Output of Transform.
    """
    file = transform_output.vocabulary_file_by_name(_FILE)
    if file is None:
        return []
    with tf.io.gfile.GFile(str(file)) as lines:
        found = [json.loads(line.partition(" ")[2]) for line in lines]
    numbers = [Number(of["name"], of["scaled"], Moments(**of["moments"])) for of in found]
    return sorted(numbers, key=lambda number: number.name)


def describe(numbers: Iterable[Number]) -> list[str]:
    """Describe the columns that are constant or have extreme values.

    Args:
        numbers: Columns from `read_numbers`.

    Returns:
        One sentence per such column, in the order of `numbers`.
    """
    return [sentence for number in numbers if (sentence := _describe(number.name, number.scaled, number.moments))]


def _describe(name: str, scaled: bool, moments: Moments) -> str:
    if moments.least == moments.greatest:
        return f"constant: {name} ({moments.least:.7g} in every row; carries nothing)"
    if moments.constant:
        near = f"{moments.least:.10g} to {moments.greatest:.10g}, a deviation below {CONSTANT:g} of the mean"
        return f"constant: {name} ({near}; carries nothing)"
    if not moments.extreme:
        return ""
    found = f"values from {moments.least:.4g} to {moments.greatest:.4g}"
    if moments.farthest > Z_BOUND:
        found += f", up to {moments.farthest:.3g} deviations from the mean"
        found += f"; clipped at {Z_BOUND:g}" if scaled else ""
    return f"extreme: {name} ({found})"


class _Combiner(transform.Combiner):
    """Combiner of `Moments`. Accumulators are arrays (columns, 5), which the analyzer cache can write as JSON."""

    def __init__(self, columns: int) -> None:
        self._columns = columns

    def create_accumulator(self) -> NDArray[np.float64]:
        return _packed([Moments()] * self._columns)

    def add_input(self, accumulator: ArrayLike, batch_values: Sequence[ArrayLike]) -> NDArray[np.float64]:
        return _packed(
            before + Moments.of(values) for before, values in zip(_unpacked(accumulator), batch_values, strict=True)
        )

    def merge_accumulators(self, accumulators: Iterable[ArrayLike]) -> NDArray[np.float64]:
        total = [Moments()] * self._columns
        for accumulator in accumulators:
            total = [a + b for a, b in zip(total, _unpacked(accumulator), strict=True)]
        return _packed(total)

    def extract_output(self, accumulator: ArrayLike) -> list[NDArray[np.float64]]:
        moments = _unpacked(accumulator)
        return [np.c_[_packed(moments), [each.deviation for each in moments]]]

    def output_tensor_infos(self) -> list[Any]:
        return [transform.TensorInfo(tf.float64, (self._columns, 6), None)]


def _packed(moments: Iterable[Moments]) -> NDArray[np.float64]:
    return np.array([astuple(each) for each in moments], np.float64)


def _unpacked(packed: ArrayLike) -> list[Moments]:
    return [Moments(*each) for each in np.asarray(packed, np.float64).tolist()]


class _Lines(  # pyright: ignore[reportIncompatibleMethodOverride]
    namedtuple("_Lines", ["names", "combiner", "label"]), transform.Operation
):
    """Operation from accumulators to pairs (count, JSON), one per name, as `VocabularyOrderAndWrite` takes them."""

    __slots__ = ()


@transform.carries_out(_Lines)
class _WriteLines(beam.PTransform):
    def __init__(self, operation: _Lines, extra_args: Any) -> None:
        super().__init__()
        self._names, self._combiner = operation.names, operation.combiner

    def expand(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, inputs: tuple[beam.PCollection, ...]
    ) -> PValue:
        (parts,) = inputs
        return (
            parts
            | "InOneList" >> beam.combiners.ToList()
            | "Merge" >> beam.Map(self._combiner.merge_accumulators)
            | "Lines" >> beam.FlatMap(_lines, self._names)
        )


def _lines(packed: NDArray[np.float64], names: Sequence[tuple[str, bool]]) -> Iterator[tuple[int, str]]:
    for (name, scaled), moments in zip(names, _unpacked(packed), strict=True):
        yield int(moments.count), json.dumps(asdict(Number(name, scaled, moments)))
