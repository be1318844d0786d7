"""The TFMA metric that turns sums by row into nll, perplexity, recall and MRR, or into rmse, mae and R^2.

TFMA's own metrics would need the probabilities of all classes for every label. Here the model's `eval` signature
answers the `columns` of each part for each row, the Baselines node has stored the same for each baseline, and what is
left is to add them up within each slice.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from components.compat.tfma import constants, metric_types
from components.metrics.parts import Part

Sums = tuple[NDArray[np.float64], ...]
"""Of each part (1 + baselines, columns): the model first."""


def recall_over(baseline: str) -> str:
    """The model's recall@10 less the baseline's: not below 0 when the model is as good."""
    return f"recall_at_10_over_{baseline}"


def perplexity_over(baseline: str) -> str:
    """The model's perplexity divided by the baseline's: not above 1 when the model is as good."""
    return f"perplexity_over_{baseline}"


def rmse_over(baseline: str) -> str:
    """The model's rmse divided by the baseline's: not above 1 when the model is as good."""
    return f"rmse_over_{baseline}"


def model_metrics(parts: Iterable[Part], sums: Sums) -> dict[str, float]:
    """Metrics by name from the totals of a slice.

    Args:
        parts: what is measured.
        sums: of each.
    """
    result: dict[str, float] = {}
    for part, rows in zip(parts, sums, strict=True):
        for baseline, row in zip([None, *part.baselines], rows, strict=True):
            result |= part.values(row, baseline)
        if part.target:
            continue
        for baseline in part.baselines:
            if part.kind == "number":
                other = result[part.name("rmse", baseline)]
                result[rmse_over(baseline)] = _ratio(result["rmse"], other)
                continue
            result[recall_over(baseline)] = result["recall_at_10"] - result[part.name("recall_at_10", baseline)]
            # From the difference of nats, which cannot overflow as two perplexities can.
            result[perplexity_over(baseline)] = float(np.exp(result["nll"] - result[part.name("nll", baseline)]))
    return result


def _ratio(ours: float, theirs: float) -> float:
    """Return 1 where neither errs, as with a label that is constant."""
    if theirs:
        return ours / theirs
    return 1.0 if ours == 0 else math.nan if math.isnan(ours) else math.inf


class LabelMetrics(metric_types.Metric):
    """All metrics of one evaluation, from one pass over the rows.

    Reads the columns of the `eval` signature and the features of the baselines. Its values are keyed by model name, so
    that change thresholds against the last blessed model work.
    """

    def __init__(self, name: str = "label_metrics", parts: Iterable[dict[str, Any]] = (), code: str = "") -> None:
        """Makes the metric.

        Args:
            name: TFMA's name of the metric; its values have names of their own.
            parts: what is measured, the fields of a `Part` each.
            code: a fingerprint of this code. Unused here, it makes the Evaluator's cache key change with the code.
        """
        super().__init__(_computations, name=name, parts=list(parts), code=code)


def _computations(
    name: str = "", parts: Iterable[dict[str, Any]] = (), code: str = "", model_names: list[str] | None = None
) -> metric_types.MetricComputations:
    measured = tuple(Part(part["target"], part["kind"], tuple(part["baselines"])) for part in parts)
    return [
        metric_types.MetricComputation(
            # Named when they are computed: declared or not, they are the same.
            keys=[],
            preprocessors=[_RowSums(model, measured)],
            combiner=_AddUp(model, measured),
        )
        for model in model_names or [""]
    ]


class _RowSums(metric_types.Preprocessor):
    """The sums of one row: all that the combiner gets to see of it."""

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
        missing = [column for column in part.columns if column not in predictions]
        if missing and self._model == constants.BASELINE_KEY:
            # The last blessed model is of a time when something else was asked for.
            return np.full(len(part.columns), np.nan)
        if missing:
            raise ValueError(f"the model's eval signature does not answer {', '.join(missing)}")
        return np.concatenate([np.ravel(predictions[column])[:1] for column in part.columns])


def _stored(part: Part, features: Any) -> Iterator[NDArray[np.float64]]:
    """The baselines' sums, as the Baselines node has written them."""
    for baseline in part.baselines:
        feature = part.feature(baseline)
        values = np.ravel(features[feature]) if feature in features else np.zeros(0)
        if len(values) != len(part.columns):
            raise ValueError(f"a row has {len(values)} values in '{feature}', not {len(part.columns)}")
        yield part.restored(values)


class _AddUp(beam.CombineFn):
    """Adds rows up and makes the metrics of the totals."""

    def __init__(self, model: str, parts: tuple[Part, ...]) -> None:
        self._model, self._parts = model, parts

    def create_accumulator(self) -> Sums:  # type: ignore[override]
        return tuple(np.zeros((1 + len(part.baselines), len(part.columns))) for part in self._parts)

    def add_input(self, mutable_accumulator: Sums, element: Sums) -> Sums:  # type: ignore[override]
        return tuple(a + b for a, b in zip(mutable_accumulator, element, strict=True))

    def merge_accumulators(self, accumulators: Iterable[Sums]) -> Sums:  # type: ignore[override]
        return functools.reduce(self.add_input, accumulators, self.create_accumulator())

    def extract_output(self, accumulator: Sums) -> dict[metric_types.MetricKey, float]:  # type: ignore[override]
        # Not weighted by examples, said as None: so TFMA looks thresholds up that are set by a metric's name.
        return {
            metric_types.MetricKey(name=name, model_name=self._model, example_weighted=None): value
            for name, value in model_metrics(self._parts, accumulator).items()
        }
