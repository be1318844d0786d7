"""Reading what the Evaluator wrote, as plain dictionaries for the report."""

from __future__ import annotations

import math
from typing import Any

# TFX first: it installs the shims that TFMA's own imports need.
import tfx  # noqa: F401
from tensorflow_model_analysis import constants, slicer
from tensorflow_model_analysis.proto import metrics_for_slice_pb2, validation_result_pb2
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as writer

from components.evaluation.columns import BANDS, METRICS, baseline_feature
from components.evaluation.metrics import metric_name, perplexity_over, recall_over

Metrics = dict[str, float | None]
_LABELS = {
    "nll": "nll (nats)",
    "perplexity": "perplexity",
    "recall_at_1": "recall@1",
    "recall_at_10": "recall@10",
    "recall_at_20": "recall@20",
    "mrr_at_10": "MRR@10",
}


def read_results(evaluation: str) -> dict[str, Any]:
    """Reads the Evaluator's output folder.

    Args:
        evaluation: URI of the `evaluation` artefact.

    Returns:
        `metrics` of the model over the whole test split, `bands` of labels by name, `baselines` and `baseline_bands` by
        baseline name, `previous` (metrics of the last blessed model on the same rows, or None), `slices` (a list of
        `slice`, `value`, the metrics and `baselines`, by column and value), `blessed`, and `failures` (a sentence for
        each threshold that was missed). A metric without labels to measure is None.

    Raises:
        ValueError: the folder holds no metrics over the whole split.
    """
    whole: dict[str, Any] | None = None
    slices: list[dict[str, Any]] = []
    for record in writer.load_and_deserialize_metrics(evaluation):
        by_model = _by_model(record)
        key = slicer.deserialize_slice_key(record.slice_key)
        candidate = by_model.get("", by_model.get(constants.CANDIDATE_KEY, {}))
        baselines = _baselines(candidate)
        if key:
            slices.append(
                {
                    "slice": ", ".join(str(column) for column, _ in key),
                    "value": _value(key),
                    **_pick(candidate),
                    "baselines": {name: _pick(candidate, name) for name in baselines},
                }
            )
        elif candidate:
            previous = by_model.get(constants.BASELINE_KEY)
            whole = {
                "metrics": _pick(candidate),
                "bands": {band: _pick(candidate, band=band) for band in BANDS},
                "baselines": {name: _pick(candidate, name) for name in baselines},
                "baseline_bands": {name: {band: _pick(candidate, name, band) for band in BANDS} for name in baselines},
                "previous": _pick(previous) if previous else None,
            }
    if whole is None:
        raise ValueError(f"{evaluation} holds no metrics over the whole test split: was there a row to evaluate?")
    result = writer.load_and_deserialize_validation_result(evaluation)
    failures = _failures(result, whole)
    slices.sort(key=lambda entry: (entry["slice"], str(entry["value"])))
    return {**whole, "slices": slices, "blessed": result.validation_ok, "failures": failures}


def _by_model(record: metrics_for_slice_pb2.MetricsForSlice) -> dict[str, dict[str, float]]:
    result: dict[str, dict[str, float]] = {}
    for item in record.metric_keys_and_values:
        if not item.key.is_diff:
            result.setdefault(item.key.model_name, {})[item.key.name] = item.value.double_value.value
    return result


def _baselines(values: dict[str, float]) -> list[str]:
    prefix = baseline_feature("")
    return [name.removeprefix(prefix).removesuffix("/nll") for name in values if _is_nll_of_baseline(name, prefix)]


def _is_nll_of_baseline(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name.endswith("/nll")


def _pick(values: dict[str, float], baseline: str | None = None, band: str | None = None) -> Metrics:
    found = {metric: values[metric_name(metric, baseline, band)] for metric in METRICS}
    return {metric: value if math.isfinite(value) else None for metric, value in found.items()}


def _value(key: Any) -> Any:
    return key[0][1] if len(key) == 1 else ", ".join(str(value) for _, value in key)


def _failures(result: validation_result_pb2.ValidationResult, whole: dict[str, Any]) -> list[str]:
    sentences = [
        _sentence(failure, whole) for slice_ in result.metric_validations_per_slice for failure in slice_.failures
    ]
    if result.missing_slices:
        sentences.append("a threshold was not checked: its slice has no row")
    if not result.validation_ok and not sentences:
        sentences.append("the evaluation was rejected without a reason: no threshold was checked")
    return list(dict.fromkeys(sentences))


def _sentence(failure: validation_result_pb2.ValidationFailure, whole: dict[str, Any]) -> str:
    name, value = failure.metric_key.name, failure.metric_value.double_value.value
    if failure.message.strip() == "Metric not found.":
        return f"{_LABELS.get(name, name)} was not computed"
    for baseline, theirs in whole["baselines"].items():
        if name == recall_over(baseline):
            return (
                f"recall@10 is {_number(whole['metrics']['recall_at_10'])}, below the {baseline} baseline's "
                f"{_number(theirs['recall_at_10'])}"
            )
        if name == perplexity_over(baseline):
            return (
                f"perplexity is {_number(whole['metrics']['perplexity'])}, above the {baseline} baseline's "
                f"{_number(theirs['perplexity'])}"
            )
    label = _LABELS.get(name, name)
    if failure.metric_threshold.HasField("change_threshold"):
        allowed = failure.metric_threshold.change_threshold.absolute.value
        before = whole["previous"][name] if whole["previous"] else None
        return (
            f"{label} rose by {_number(value)} over the last blessed model's {_number(before)}: "
            f"at most {allowed:g} is allowed"
        )
    bound = failure.metric_threshold.value_threshold
    if not math.isfinite(value):
        return f"{label} is not a finite number"
    if bound.HasField("lower_bound") and value < bound.lower_bound.value:
        return f"{label} is {_number(value)}: at least {_number(bound.lower_bound.value)} is wanted"
    return f"{label} is {_number(value)}: at most {_number(bound.upper_bound.value)} is wanted"


def _number(value: float | None) -> str:
    return "not a finite number" if value is None else f"{value:.4g}"
