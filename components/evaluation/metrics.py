"""The TFMA metric that turns sums by row into nll, perplexity, recall and MRR, for the model and the baselines.

TFMA's own metrics would need the probabilities of all classes for every label. Here the model's `eval` signature
answers `columns.COLUMNS` for each row, the Baselines node has stored the same for each baseline, and what is left is to
add them up within each slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np

# TFX first: it installs the shims that TFMA's own imports need.
import tfx  # noqa: F401
from numpy.typing import NDArray
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.metrics import metric_types

from components.evaluation.columns import BANDS, COLUMNS, baseline_feature, metrics_of

Sums = NDArray[np.float64]


def metric_name(metric: str, baseline: str | None = None, band: str | None = None) -> str:
    """The TFMA name of a metric: `nll`, `nll_head`, `baseline/bigram/nll`, `baseline/bigram/nll_head`."""
    name = metric if band is None else f"{metric}_{band}"
    return name if baseline is None else f"{baseline_feature(baseline)}/{name}"


def recall_over(baseline: str) -> str:
    """The model's recall@10 less the baseline's: not below 0 when the model is as good."""
    return f"recall_at_10_over_{baseline}"


def perplexity_over(baseline: str) -> str:
    """The model's perplexity divided by the baseline's: not above 1 when the model is as good."""
    return f"perplexity_over_{baseline}"


def model_metrics(sums: Sums, baselines: Iterable[str]) -> dict[str, float]:
    """Metrics by name from the totals of a slice.

    Args:
        sums: (1 + baselines, len(COLUMNS)); the model first.
        baselines: their names, in order.
    """
    result: dict[str, float] = {}
    overall: list[dict[str, float]] = []
    for baseline, row in zip([None, *baselines], sums, strict=True):
        overall.append(metrics_of(row))
        for band in (None, *BANDS):
            values = overall[-1] if band is None else metrics_of(row, band)
            result.update({metric_name(metric, baseline, band): value for metric, value in values.items()})
    model = overall[0]
    for baseline, other in zip(baselines, overall[1:], strict=True):
        result[recall_over(baseline)] = model["recall_at_10"] - other["recall_at_10"]
        # From the difference of nats, which cannot overflow as two perplexities can.
        result[perplexity_over(baseline)] = float(np.exp(model["nll"] - other["nll"]))
    return result


class LabelMetrics(metric_types.Metric):
    """All metrics of one evaluation, from one pass over the rows.

    Reads the columns of the `eval` signature and the features of `baselines`. Its values are keyed by model name, so
    that change thresholds against the last blessed model work.
    """

    def __init__(self, name: str = "label_metrics", baselines: Iterable[str] = (), code: str = "") -> None:
        """Makes the metric.

        Args:
            name: TFMA's name of the metric; its values have names of their own.
            baselines: the baselines that the rows bring along.
            code: a fingerprint of this code. Unused here, it makes the Evaluator's cache key change with the code.
        """
        super().__init__(_computations, name=name, baselines=list(baselines), code=code)


def _computations(
    name: str = "", baselines: Iterable[str] = (), code: str = "", model_names: list[str] | None = None
) -> metric_types.MetricComputations:
    return [
        metric_types.MetricComputation(
            # Named when they are computed: declared or not, they are the same.
            keys=[],
            preprocessors=[_RowSums(model, tuple(baselines))],
            combiner=_AddUp(model, tuple(baselines)),
        )
        for model in model_names or [""]
    ]


class _RowSums(metric_types.Preprocessor):
    """(1 + baselines, len(COLUMNS)) of one row: all that the combiner gets to see of it."""

    def __init__(self, model: str, baselines: tuple[str, ...]) -> None:
        super().__init__(name=f"row_sums/{model}")
        self._model, self._baselines = model, baselines

    def process(self, extracts: Any) -> Iterator[Sums]:  # type: ignore[override]
        predictions = extracts[constants.PREDICTIONS_KEY]
        if self._model:
            predictions = predictions[self._model]
        missing = [column for column in COLUMNS if column not in predictions]
        if missing:
            raise ValueError(f"the model's eval signature does not answer {', '.join(missing)}")
        rows = [np.concatenate([np.ravel(predictions[column])[:1] for column in COLUMNS])]
        features = extracts[constants.FEATURES_KEY]
        for baseline in self._baselines:
            feature = baseline_feature(baseline)
            values = np.ravel(features[feature]) if feature in features else np.zeros(0)
            if len(values) != len(COLUMNS):
                raise ValueError(f"a row has {len(values)} values in '{feature}', not {len(COLUMNS)}")
            rows.append(values)
        yield np.stack(rows).astype(np.float64)


class _AddUp(beam.CombineFn):
    """Adds rows up and makes the metrics of the totals."""

    def __init__(self, model: str, baselines: tuple[str, ...]) -> None:
        self._model, self._baselines = model, baselines

    def create_accumulator(self) -> Sums:  # type: ignore[override]
        return np.zeros((1 + len(self._baselines), len(COLUMNS)))

    def add_input(self, mutable_accumulator: Sums, element: Sums) -> Sums:  # type: ignore[override]
        return mutable_accumulator + element

    def merge_accumulators(self, accumulators: Iterable[Sums]) -> Sums:  # type: ignore[override]
        return sum(accumulators, start=self.create_accumulator())

    def extract_output(self, accumulator: Sums) -> dict[metric_types.MetricKey, float]:  # type: ignore[override]
        # Not weighted by examples, said as None: so TFMA looks thresholds up that are set by a metric's name.
        return {
            metric_types.MetricKey(name=name, model_name=self._model, example_weighted=None): value
            for name, value in model_metrics(accumulator, self._baselines).items()
        }
