"""TFMA metric that turns sums by row into the metrics of the table, for every slice.

TFMA's own metrics would need the probabilities of all classes for every label. Here, the model's `eval` signature
returns the `columns` of each part for each row. The Baselines node has stored the same columns for each baseline. This
metric sums both over each slice.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from components.compat.tfma import constants, metric_types
from components.metrics.definitions import Metric
from components.metrics.parts import Part

Sums = tuple[NDArray[np.float64], ...]
"""Sums of each part, (1 + baselines, columns); the first row is the model's."""


def model_metrics(parts: Iterable[Part], sums: Sums) -> dict[str, float]:
    """Return metrics by name from the totals of a slice.

    Args:
        parts: The parts that are measured.
        sums: The totals of each part.
    """
    result: dict[str, float] = {}
    for part, rows in zip(parts, sums, strict=True):
        for baseline, row in zip([None, *part.baselines], rows, strict=True):
            result |= part.values(row, baseline)
        if part.target:
            continue
        ours, *theirs = (part.measured(row) for row in rows)
        for baseline, values in zip(part.baselines, theirs, strict=True):
            for metric in compared(part):
                result[metric.over_baseline(baseline)] = metric.compare(ours, values)  # pyright: ignore[reportOptionalCall]
    return result


def compared(part: Part) -> tuple[Metric, ...]:
    """Return the metrics that compare a model with the baselines, in the order of the report's columns."""
    return tuple(sorted((m for m in part.metrics if m.compare), key=lambda metric: metric.places.column))


class LabelMetrics(metric_types.Metric):
    """TFMA metric that computes all metrics of an evaluation in one pass over the rows.

    The metric reads the columns of the `eval` signature and the features of the baselines. Its values are keyed by
    model name, which change thresholds against the last blessed model require.
    """

    def __init__(self, name: str = "label_metrics", parts: Iterable[dict[str, Any]] = (), code: str = "") -> None:
        """Create the metric.

        Args:
            name: TFMA's name of the metric. The values have other names.
            parts: The parts that are measured, each as the fields of a `Part`.
            code: Fingerprint of this code. Unused, but makes the Evaluator's cache key change with the code.
        """
        super().__init__(_computations, name=name, parts=list(parts), code=code)


def _computations(
    name: str = "", parts: Iterable[dict[str, Any]] = (), code: str = "", model_names: list[str] | None = None
) -> metric_types.MetricComputations:
    measured = tuple(Part.of(fields) for fields in parts)
    return [
        metric_types.MetricComputation(
            # Empty, since `extract_output` names the values. Declared keys would change nothing.
            keys=[],
            preprocessors=[_RowSums(model, measured)],
            combiner=_AddUp(model, measured),
        )
        for model in model_names or [""]
    ]


class _RowSums(metric_types.Preprocessor):
    """Preprocessor that passes only the sums of a row to the combiner."""

    def __init__(self, model: str, parts: tuple[Part, ...]) -> None:
        super().__init__(name=f"row_sums/{model}")
        self._model, self._parts = model, parts

    def process(self, extracts: Any) -> Iterator[Sums]:  # type: ignore[override]
        predictions = extracts[constants.PREDICTIONS_KEY]
        if self._model:
            predictions = predictions[self._model]
        yield tuple(
            np.stack([self._answered(part, predictions), *_stored(part, extracts[constants.FEATURES_KEY])]).astype(
                np.float64
            )
            for part in self._parts
        )

    def _answered(self, part: Part, predictions: Any) -> NDArray[np.float64]:
        missing = {column for column in part.columns if column not in predictions}
        # The last blessed model may be older than the present columns.
        if missing and self._model != constants.BASELINE_KEY:
            raise ValueError(f"the model's eval signature does not answer {', '.join(sorted(missing))}")
        return np.array([np.nan if column in missing else np.ravel(predictions[column])[0] for column in part.columns])


def _stored(part: Part, features: Any) -> Iterator[NDArray[np.float64]]:
    """Yield the sums of each baseline, restored from the features of the Baselines node."""
    for baseline in part.baselines:
        feature = part.feature(baseline)
        values = np.ravel(features[feature]) if feature in features else np.zeros(0)
        if len(values) != len(part.columns):
            raise ValueError(f"a row has {len(values)} values in '{feature}', not {len(part.columns)}")
        yield part.restored(values)


class _AddUp(beam.CombineFn):
    """Combiner that sums rows and computes the metrics from the totals."""

    def __init__(self, model: str, parts: tuple[Part, ...]) -> None:
        self._model, self._parts = model, parts

    def create_accumulator(self) -> Sums:  # type: ignore[override]
        return tuple(np.zeros((1 + len(part.baselines), len(part.columns))) for part in self._parts)

    def add_input(self, mutable_accumulator: Sums, element: Sums) -> Sums:  # type: ignore[override]
        return tuple(a + b for a, b in zip(mutable_accumulator, element, strict=True))

    def merge_accumulators(self, accumulators: Iterable[Sums]) -> Sums:  # type: ignore[override]
        return functools.reduce(self.add_input, accumulators, self.create_accumulator())

    def extract_output(self, accumulator: Sums) -> dict[metric_types.MetricKey, float]:  # type: ignore[override]
        # None means not weighted by examples. TFMA then finds the thresholds that are set by metric name.
        return {
            metric_types.MetricKey(name=name, model_name=self._model, example_weighted=None): value
            for name, value in model_metrics(self._parts, accumulator).items()
        }
