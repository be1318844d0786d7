"""TFMA metric that computes the metrics of the table from sums per row, for every slice.

TFMA's own metrics would need the probabilities of all classes for every label. Here, the `eval` signature of the model
returns the sums of each target for each row. The Baselines node has stored the same sums for each baseline. This metric
adds both over each slice.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from components.compat.tfma import constants, metric_types
from components.metrics.targets import Target, compared

Sums = tuple[NDArray[np.float64], ...]
"""Sums of each target, (1 + baselines, sums). The first row belongs to the model. A baseline has NaN in place of the
sums that only the model has."""


def model_metrics(targets: Iterable[Target], sums: Sums) -> dict[str, float]:
    """Return the metrics by name from the totals of a slice, and the totals that only the model has.

    Args:
        targets: Targets that are measured.
        sums: Totals of each target.
    """
    result: dict[str, float] = {}
    for target, rows in zip(targets, sums, strict=True):
        for baseline, row in zip([None, *target.baselines], rows, strict=True):
            result |= target.values(row, baseline)
        result |= {target.name(name): value for name, value in target.model_totals(rows[0]).items()}
        if target.column:
            continue
        ours, *theirs = (target.measured(row) for row in rows)
        for baseline, values in zip(target.baselines, theirs, strict=True):
            for metric in compared(target):
                result[metric.over_baseline(baseline)] = metric.compare(ours, values)  # pyright: ignore[reportOptionalCall]
    return result


class LabelMetrics(metric_types.Metric):
    """TFMA metric that computes all metrics of an evaluation in one pass over the rows.

    The metric reads the columns of the `eval` signature and the features of the baselines. Its values are keyed by
    model name, which change thresholds against the last blessed model require.
    """

    def __init__(self, name: str = "label_metrics", targets: Iterable[dict[str, Any]] = (), code: str = "") -> None:
        """Create the metric.

        Args:
            name: Name of the metric in TFMA. The values have other names.
            targets: Targets that are measured, each as the fields of a `Target`.
            code: Fingerprint of this code. Not read, but makes the cache key of the Evaluator depend on the code.
        """
        super().__init__(_computations, name=name, targets=list(targets), code=code)


def _computations(
    name: str = "", targets: Iterable[dict[str, Any]] = (), code: str = "", model_names: list[str] | None = None
) -> metric_types.MetricComputations:
    measured = tuple(Target.of(fields) for fields in targets)
    return [
        metric_types.MetricComputation(
            # Empty, because `extract_output` names the values. Declared keys would have no effect.
            keys=[],
            preprocessors=[RowSums(model, measured)],
            combiner=_AddUp(model, measured),
        )
        for model in model_names or [""]
    ]


class RowSums(metric_types.Preprocessor):
    """Preprocessor that passes only the sums of a row to the combiner.

    Args:
        model: Name of the model, empty if it is the only one.
        targets: Targets that are measured.
    """

    def __init__(self, model: str, targets: tuple[Target, ...]) -> None:
        super().__init__(name=f"row_sums/{model}")
        self._model, self._targets = model, targets

    def process(self, extracts: Any) -> Iterator[Sums]:  # type: ignore[override]
        """Yield the sums of each target."""
        predictions = extracts[constants.PREDICTIONS_KEY]
        if self._model:
            predictions = predictions[self._model]
        yield tuple(
            np.stack([self._answered(target, predictions), *_stored(target, extracts[constants.FEATURES_KEY])]).astype(
                np.float64
            )
            for target in self._targets
        )

    def _answered(self, target: Target, predictions: Any) -> NDArray[np.float64]:
        missing = {name for name in target.sum_names if name not in predictions}
        # The last blessed model may be older than the current columns.
        if missing and self._model != constants.BASELINE_KEY:
            raise ValueError(f"the model's eval signature does not answer {', '.join(sorted(missing))}")
        return np.array([np.nan if name in missing else np.ravel(predictions[name])[0] for name in target.sum_names])


def _stored(target: Target, features: Any) -> Iterator[NDArray[np.float64]]:
    """Yield the sums of each baseline, restored from the features of the Baselines node."""
    for baseline in target.baselines:
        feature = target.feature(baseline)
        values = np.ravel(features[feature]) if feature in features else np.zeros(0)
        if len(values) != len(target.stored_names):
            raise ValueError(f"a row has {len(values)} values in '{feature}', not {len(target.stored_names)}")
        yield np.append(target.restored(values), np.full(len(target.sum_names) - len(values), np.nan))


class _AddUp(beam.CombineFn):
    """Combiner that sums rows and computes the metrics from the totals."""

    def __init__(self, model: str, targets: tuple[Target, ...]) -> None:
        self._model, self._targets = model, targets

    def create_accumulator(self) -> Sums:  # type: ignore[override]
        return tuple(np.zeros((1 + len(target.baselines), len(target.sum_names))) for target in self._targets)

    def add_input(self, mutable_accumulator: Sums, element: Sums) -> Sums:  # type: ignore[override]
        return tuple(a + b for a, b in zip(mutable_accumulator, element, strict=True))

    def merge_accumulators(self, accumulators: Iterable[Sums]) -> Sums:  # type: ignore[override]
        return functools.reduce(self.add_input, accumulators, self.create_accumulator())

    def extract_output(self, accumulator: Sums) -> dict[metric_types.MetricKey, float]:  # type: ignore[override]
        # None means not weighted by examples. Only then does TFMA find the thresholds, which are set by metric name.
        return {
            metric_types.MetricKey(name=name, model_name=self._model, example_weighted=None): value
            for name, value in model_metrics(self._targets, accumulator).items()
        }
