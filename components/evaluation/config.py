"""Configuration of the Evaluator: label and targets to measure, slices, and thresholds for a blessing."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence

from google.protobuf import wrappers_pb2

from components.compat.tfma import config_pb2
from components.evaluation import metrics
from components.evaluation.spec import Bound, EvaluationSpec
from components.ingest.spec import DataSpec
from components.metrics.table import objective
from components.metrics.targets import BaselineName, Target, further_targets, label_target

SIGNATURE = "eval"


def eval_config(data: DataSpec, evaluation: EvaluationSpec, code: str = "") -> config_pb2.EvalConfig:
    """Return the configuration of the Evaluator, which is valid with and without a last blessed model.

    TFX's Evaluator adds the last blessed model if one exists, and otherwise drops the change threshold. All thresholds
    apply to the label and to the whole test split. One threshold is always set, because an Evaluator without thresholds
    blesses no model: the objective of the label must be a finite number.

    Args:
        data: Specification with the shape, the targets and the slices.
        evaluation: Specification with the thresholds and the user-defined metrics. A model beats a baseline if it is
            not worse in any metric that has a `compare` and that the baseline supports.
        code: Fingerprint of the code, for the cache.

    Raises:
        ValueError: `evaluation.beat` names a baseline that does not apply to these data.
    """
    label = label_target(data, evaluation.metrics, evaluation.exclude_seen)
    beaten = evaluation.beaten(data)
    unknown = [name for name in beaten if name not in label.baselines]
    if unknown:
        what = {"number": "a label that is a number", "several": "data with several labels per row"}.get(
            label.kind, f"shape '{data.shape}'"
        )
        raise ValueError(
            f"evaluation.beat: {what} has no baseline {', '.join(unknown)}; it has {', '.join(label.baselines)}"
        )
    thresholds = {
        name: config_pb2.MetricThreshold(value_threshold=_bound(*bound))
        for name, bound in _bounds(label, beaten, evaluation).items()
    }
    decides = objective(label.kind)
    change = {str(decides.objective): wrappers_pb2.DoubleValue(value=evaluation.increase(decides))}
    thresholds[decides.name].change_threshold.CopyFrom(
        config_pb2.GenericChangeThreshold(**change, direction=config_pb2.MetricDirection.LOWER_IS_BETTER)
    )
    targets = [dataclasses.asdict(target) for target in (label, *further_targets(data, evaluation.metrics))]
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
                        config=json.dumps({"targets": targets, "code": code}),
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


def read_targets(config: config_pb2.EvalConfig) -> list[Target]:
    """Return the targets that a configuration from `eval_config` measures: the label, then the further targets."""
    (metric,) = config.metrics_specs[0].metrics
    return [Target.of(fields) for fields in json.loads(metric.config)["targets"]]


def read_slices(config: config_pb2.EvalConfig) -> list[str]:
    """Return the columns of the slices of a configuration from `eval_config`."""
    return [column for slicing in config.slicing_specs for column in slicing.feature_keys]


def _bounds(label: Target, beaten: Sequence[BaselineName], evaluation: EvaluationSpec) -> dict[str, Bound]:
    """Return the lowest and the highest allowed value of each metric and each comparison with a baseline, by name."""
    decides = objective(label.kind)
    # Bounds reject a NaN, so the objective always has bounds.
    bounds: dict[str, Bound] = {decides.name: (0.0, evaluation.bounds(decides)[1] or sys.float_info.max)}
    for baseline in beaten:
        for metric in metrics.compared(label):
            if not label.measures(metric, baseline):
                continue
            bounds[metric.over_baseline(baseline)] = (0.0, None) if metric.better == "higher" else (None, 1.0)
    for metric in label.metrics:
        if metric is not decides and any(bound is not None for bound in evaluation.bounds(metric)):
            bounds[metric.name] = evaluation.bounds(metric)
    return bounds


def _bound(lower: float | None, upper: float | None) -> config_pb2.GenericValueThreshold:
    result = config_pb2.GenericValueThreshold()
    if lower is not None:
        result.lower_bound.value = lower
    if upper is not None:
        result.upper_bound.value = upper
    return result
