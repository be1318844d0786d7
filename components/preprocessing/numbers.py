"""Number columns: Transform's analyzer of their moments, their z-scores, and a file of the moments for people.

The file `numbers` is an asset beside the vocabularies, with a line "count JSON" for each column: see `read_numbers`.
"""

# Transform's annotations are narrower than what it takes and gives.
# pyright: reportOperatorIssue=false, reportIncompatibleMethodOverride=false

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
from components.preprocessing.moments import CONSTANT, Z_BOUND, Moments

if TYPE_CHECKING:
    import tensorflow_transform as tft

_FILE = "numbers"


@dataclass(frozen=True)
class Number:
    """A number column.

    Attributes:
        name: of the column.
        scaled: whether it becomes z-scores; targets and labels stay as they are.
        moments: over the train split.
    """

    name: str
    scaled: bool
    moments: Moments


def analyzed(columns: Mapping[str, tf.SparseTensor], scaled: Collection[str]) -> dict[str, tf.Tensor]:
    """Compute the moments of columns over the analyzed data, and write them to the file.

    All columns share one analyzer, whose results Transform's analyzer cache keeps.

    Args:
        columns: numbers by name.
        scaled: names of those that become z-scores.

    Returns:
        For each name (6,) float64: count, mean, variance, least and greatest as in `Moments`, and last the deviation.
    """
    if not columns:
        return {}
    with tf.name_scope(_FILE):
        combiner = _Combiner(len(columns))
        values = [tf.cast(column.values, tf.float64) for column in columns.values()]
        parts, moments = transform.combined(values, combiner)
        # From the parts: Transform packs combiners only if nothing else reads what they merge.
        names = [(name, name in scaled) for name in columns]
        lines = transform.applied(_Lines, parts, names=names, combiner=combiner)
        transform.sorted_file(lines, _FILE)
        return dict(zip(columns, tf.unstack(transform.as_tensor(moments)), strict=True))


def z_scores(column: tf.SparseTensor, moments: tf.Tensor) -> tf.SparseTensor:
    """Standardize a column.

        z = min(Z_BOUND, max(-Z_BOUND, (x - mean) / deviation)),   and 0 where the deviation is 0

    A constant has z = 0 for every value, also for those that it never had. NaN is a missing value.

    Args:
        column: numbers.
        moments: (6,) of `analyzed`.

    Returns:
        A column of float32.
    """
    mean, deviation = moments[1], moments[-1]
    present = tf.sparse.retain(column, ~tf.math.is_nan(tf.cast(column.values, tf.float64)))
    distance = tf.cast(present.values, tf.float64) - mean
    # `divide_no_nan` gives 0 for a deviation of 0, also of infinity.
    z = tf.clip_by_value(tf.math.divide_no_nan(distance, deviation), -Z_BOUND, Z_BOUND)
    return tf.SparseTensor(present.indices, tf.cast(z, tf.float32), present.dense_shape)


def read_numbers(transform_output: tft.TFTransformOutput) -> list[Number]:
    """Read the moments of every number that Transform saw, in the order of their names.

    Args:
        transform_output: Transform's.
    """
    file = transform_output.vocabulary_file_by_name(_FILE)
    if file is None:
        return []
    with tf.io.gfile.GFile(str(file)) as lines:
        found = [json.loads(line.partition(" ")[2]) for line in lines]
    numbers = [Number(of["name"], of["scaled"], Moments(**of["moments"])) for of in found]
    return sorted(numbers, key=lambda number: number.name)


def told(numbers: Iterable[Number]) -> list[str]:
    """Name the columns that carry nothing, and those with extreme values.

    Args:
        numbers: of `read_numbers`.

    Returns:
        A sentence for each such column, in the order given.
    """
    return [sentence for number in numbers if (sentence := _told(number.name, number.scaled, number.moments))]


def _told(name: str, scaled: bool, moments: Moments) -> str:
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
    """`Moments` of several columns, as an array of (columns, 5): the analyzer cache writes an accumulator as JSON."""

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


class _Lines(namedtuple("_Lines", ["names", "combiner", "label"]), transform.Operation):
    """Accumulators of a `_Combiner` -> (count, JSON) of each name, as `VocabularyOrderAndWrite` takes them."""

    __slots__ = ()


@transform.carries_out(_Lines)
class _WriteLines(beam.PTransform):
    def __init__(self, operation: _Lines, extra_args: Any) -> None:
        super().__init__()
        self._names, self._combiner = operation.names, operation.combiner

    def expand(self, inputs: tuple[beam.PCollection, ...]) -> PValue:
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
