"""The Evaluator's configuration: what is measured, on which slices, and what blesses a model."""

from __future__ import annotations

import dataclasses
import json
import sys

from google.protobuf import wrappers_pb2

from components.compat.tfma import config_pb2
from components.evaluation import metrics
from components.evaluation.spec import EvaluationSpec
from components.ingest.spec import DataSpec
from components.metrics.parts import label_part, target_parts

SIGNATURE = "eval"


def eval_config(data: DataSpec, evaluation: EvaluationSpec, code: str = "") -> config_pb2.EvalConfig:
    """Makes the configuration; the same one serves with and without a last blessed model.

    TFX's Evaluator adds the second model where there is one, and drops the threshold on the change where there is none.
    All thresholds are on the whole test split and on the label. There is always one, since an Evaluator without blesses
    nothing: nll, or the rmse of a number, must be a finite number.

    Args:
        data: shape, targets and slices.
        evaluation: the thresholds. "Beating" a baseline is to be no worse in recall@10 and in perplexity, or in rmse.
        code: a fingerprint of the code, for the cache.

    Raises:
        ValueError: `evaluation.beat` names a baseline that this shape of data has not.
    """
    label = label_part(data)
    unknown = [name for name in evaluation.beat if name not in label.baselines]
    if unknown:
        what = "a label that is a number" if label.kind == "number" else f"shape '{data.shape}'"
        raise ValueError(
            f"evaluation.beat: {what} has no baseline {', '.join(unknown)}; it has {', '.join(label.baselines)}"
        )
    bounds = _rmse_bounds(evaluation) if label.kind == "number" else _value_bounds(evaluation)
    thresholds = {name: config_pb2.MetricThreshold(value_threshold=_bound(*bound)) for name, bound in bounds.items()}
    objective, change = (
        ("rmse", {"relative": wrappers_pb2.DoubleValue(value=evaluation.max_rmse_increase)})
        if label.kind == "number"
        else ("nll", {"absolute": wrappers_pb2.DoubleValue(value=evaluation.max_nll_increase)})
    )
    thresholds[objective].change_threshold.CopyFrom(
        config_pb2.GenericChangeThreshold(**change, direction=config_pb2.MetricDirection.LOWER_IS_BETTER)
    )
    parts = [dataclasses.asdict(part) for part in (label, *target_parts(data))]
    overall = config_pb2.SlicingSpec()
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name=SIGNATURE, model_type="tf_generic")],
        slicing_specs=[overall, *(config_pb2.SlicingSpec(feature_keys=[column]) for column in data.slices)],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(
                        class_name=metrics.LabelMetrics.__name__,
                        module=metrics.__name__,
                        config=json.dumps({"parts": parts, "code": code}),
                    )
                ],
                per_slice_thresholds={
                    name: config_pb2.PerSliceMetricThresholds(
                        thresholds=[config_pb2.PerSliceMetricThreshold(slicing_specs=[overall], threshold=threshold)]
                    )
                    for name, threshold in thresholds.items()
                },
            )
        ],
    )


def _value_bounds(evaluation: EvaluationSpec) -> dict[str, tuple[float | None, float | None]]:
    """Lowest and highest value allowed, by metric name. A NaN is within no bounds."""
    bounds: dict[str, tuple[float | None, float | None]] = {"nll": (0.0, sys.float_info.max)}
    for baseline in evaluation.beat:
        bounds[metrics.recall_over(baseline)] = (0.0, None)
        bounds[metrics.perplexity_over(baseline)] = (None, 1.0)
    if evaluation.min_recall_at_10 is not None:
        bounds["recall_at_10"] = (evaluation.min_recall_at_10, None)
    if evaluation.max_perplexity is not None:
        bounds["perplexity"] = (None, evaluation.max_perplexity)
    return bounds


def _rmse_bounds(evaluation: EvaluationSpec) -> dict[str, tuple[float | None, float | None]]:
    """The same, where the label is a number."""
    bounds: dict[str, tuple[float | None, float | None]] = {"rmse": (0.0, evaluation.max_rmse or sys.float_info.max)}
    return bounds | {metrics.rmse_over(baseline): (None, 1.0) for baseline in evaluation.beat}


def _bound(lower: float | None, upper: float | None) -> config_pb2.GenericValueThreshold:
    result = config_pb2.GenericValueThreshold()
    if lower is not None:
        result.lower_bound.value = lower
    if upper is not None:
        result.upper_bound.value = upper
    return result
