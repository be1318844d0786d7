"""Reader of the output of the Evaluator, as plain dictionaries for the report."""

from __future__ import annotations

import math
from typing import Any

from components.compat.tfma import (
    constants,
    eval_config_writer,
    metrics_for_slice_pb2,
    slicer,
    validation_result_pb2,
    writer,
)
from components.evaluation.confidence.margins import read_margins
from components.evaluation.config import read_targets
from components.messages.formatting import in_sentence
from components.metrics.definitions import WEIGHTED
from components.metrics.own import own_metrics
from components.metrics.reliability import reliability
from components.metrics.targets import Target, compared

Metrics = dict[str, float | None]


def read_results(evaluation: str) -> dict[str, Any]:
    """Read the output folder of the Evaluator.

    Args:
        evaluation: URI of the `evaluation` artifact.

    Returns:
        Dictionary with these keys:

        - `metrics`: Metrics of the model over the whole test split. A metric without labels to measure is None.
        - `bands`: Metrics by band of labels. A label that is a number has no bands.
        - `reliability`: Points of the reliability diagram of the model, see `components.metrics.reliability`. Empty if
          the label is a number.
        - `weighted`: None without weights. Otherwise a dictionary with `column`, the column of the weights, and with
          `metrics`, `baselines`, `targets` and `target_baselines`, in which each label counts by its weight.
        - `baselines`, `baseline_bands`: Metrics of the baselines, by name of the baseline.
        - `margins`: A `Margin` over the best baseline for each metric that is compared.
        - `previous`: Metrics of the last blessed model on the same rows, or None.
        - `targets`, `target_baselines`, `previous_targets`: Metrics of the further targets, by column.
        - `slices`: List, sorted by column and value, of dictionaries with `slice`, `value`, the metrics, `baselines`,
          `targets` and `target_baselines`.
        - `own_metrics`: User-defined metrics, as columns.
        - `blessed`: True if the model is blessed.
        - `failures`: Sentence for each threshold that the model missed.

    Raises:
        ValueError: The folder holds no configuration, or no metrics over the whole split.
    """
    config = eval_config_writer.load_eval_run(evaluation)[0]
    if config is None:
        raise ValueError(f"{evaluation} holds no configuration of an evaluation")
    label, *targets = read_targets(config)
    whole: dict[str, Any] | None = None
    slices: list[dict[str, Any]] = []
    for record in writer.load_and_deserialize_metrics(evaluation):
        by_model = _by_model(record)
        key = slicer.deserialize_slice_key(record.slice_key)
        candidate = by_model.get("", by_model.get(constants.CANDIDATE_KEY, {}))
        if not candidate:
            continue
        found = {
            "baselines": {name: _pick(candidate, label, name) for name in label.baselines},
            "targets": {target.column: _pick(candidate, target) for target in targets},
            "target_baselines": {
                target.column: {name: _pick(candidate, target, name) for name in target.baselines} for target in targets
            },
        }
        if key:
            columns = ", ".join(str(column) for column, _ in key)
            slices.append({"slice": columns, "value": _value(key), **_pick(candidate, label), **found})
            continue
        previous = by_model.get(constants.BASELINE_KEY)
        bands = [band for band in label.bands if band]
        whole = {
            "metrics": _pick(candidate, label),
            "reliability": _reliability(candidate, label),
            "bands": {band: _pick(candidate, label, view=band) for band in bands},
            "weighted": _weighted(candidate, label, targets) if label.weight else None,
            **found,
            "baseline_bands": {
                name: {band: _pick(candidate, label, name, band) for band in bands} for name in label.baselines if bands
            },
            "previous": _pick(previous, label) if previous else None,
            "previous_targets": {target.column: _pick(previous, target) for target in targets} if previous else {},
        }
    if whole is None:
        raise ValueError(f"{evaluation} holds no metrics over the whole test split: was there a row to evaluate?")
    whole["margins"] = read_margins(evaluation)
    result = writer.load_and_deserialize_validation_result(evaluation)
    failures = _failures(result, label, whole)
    slices.sort(key=lambda entry: (entry["slice"], str(entry["value"])))
    whole["own_metrics"] = [metric.column for metric in own_metrics(label.own)]
    return {**whole, "slices": slices, "blessed": result.validation_ok, "failures": failures}


def _by_model(record: metrics_for_slice_pb2.MetricsForSlice) -> dict[str, dict[str, float]]:
    result: dict[str, dict[str, float]] = {}
    for item in record.metric_keys_and_values:
        if not item.key.is_diff:
            result.setdefault(item.key.model_name, {})[item.key.name] = item.value.double_value.value
    return result


def _weighted(values: dict[str, float], label: Target, targets: list[Target]) -> dict[str, Any]:
    return {
        "column": label.weight,
        "metrics": _pick(values, label, view=WEIGHTED),
        "baselines": {name: _pick(values, label, name, WEIGHTED) for name in label.baselines},
        "targets": {target.column: _pick(values, target, view=WEIGHTED) for target in targets},
        "target_baselines": {
            target.column: {name: _pick(values, target, name, WEIGHTED) for name in target.baselines}
            for target in targets
        },
    }


def _pick(values: dict[str, float], target: Target, baseline: str | None = None, view: str | None = None) -> Metrics:
    found = {metric.name: values[target.name(metric.name, baseline, view)] for metric in target.metrics}
    return {metric: value if math.isfinite(value) else None for metric, value in found.items()}


def _reliability(values: dict[str, float], label: Target) -> list[dict[str, Any]]:
    totals = {of.name: values[label.name(of.name)] for of in label.model_sums}
    return reliability(totals) if totals else []


def _value(key: Any) -> Any:
    return key[0][1] if len(key) == 1 else ", ".join(str(value) for _, value in key)


def _failures(result: validation_result_pb2.ValidationResult, target: Target, whole: dict[str, Any]) -> list[str]:
    sentences = [
        _sentence(failure, target, whole)
        for slice_ in result.metric_validations_per_slice
        for failure in slice_.failures
    ]
    if result.missing_slices:
        sentences.append("a threshold was not checked: its slice has no row")
    if not result.validation_ok and not sentences:
        sentences.append("the evaluation was rejected without a reason: no threshold was checked")
    return list(dict.fromkeys(sentences))


def _sentence(failure: validation_result_pb2.ValidationFailure, target: Target, whole: dict[str, Any]) -> str:
    name, value = failure.metric_key.name, failure.metric_value.double_value.value
    label = next((metric.text for metric in target.metrics if metric.name == name), name)
    if failure.message.strip() == "Metric not found.":
        return f"{label} was not computed"
    for metric in compared(target):
        for baseline, theirs in whole["baselines"].items():
            if name == metric.over_baseline(baseline):
                side = "below" if metric.better == "higher" else "above"
                ours = in_sentence(whole["metrics"][metric.name])
                sentence = (
                    f"{metric.text} is {ours}, {side} the {baseline} baseline's {in_sentence(theirs[metric.name])}"
                )
                equals = [(margin.metric, margin.baseline) for margin in whole["margins"] if margin.equal]
                return f"{sentence} (equal within the interval)" if (metric.name, baseline) in equals else sentence
    if failure.metric_threshold.HasField("change_threshold"):
        change = failure.metric_threshold.change_threshold
        before = whole["previous"][name] if whole["previous"] else None
        if before is None:
            return (
                f"{label} cannot be compared: the last blessed model under this name answers something else; "
                "another name starts afresh"
            )
        allowed = f"{change.absolute.value:g}" if change.HasField("absolute") else f"{change.relative.value:.1%}"
        return (
            f"{label} rose by {in_sentence(value)} over the last blessed model's {in_sentence(before)}: "
            f"at most {allowed} is allowed"
        )
    bound = failure.metric_threshold.value_threshold
    if not math.isfinite(value):
        return f"{label} is not a finite number"
    if bound.HasField("lower_bound") and value < bound.lower_bound.value:
        return f"{label} is {in_sentence(value)}: at least {in_sentence(bound.lower_bound.value)} is wanted"
    return f"{label} is {in_sentence(value)}: at most {in_sentence(bound.upper_bound.value)} is wanted"
