"""Reading what the Evaluator wrote, as plain dictionaries for the report."""

from __future__ import annotations

import math
import re
from typing import Any

from components.compat.tfma import constants, metrics_for_slice_pb2, slicer, validation_result_pb2, writer
from components.evaluation.metrics import perplexity_over, recall_over, rmse_over
from components.metrics.columns import BANDS
from components.metrics.parts import Kind, Part
from components.names import unescaped

Metrics = dict[str, float | None]
_LABELS = {
    "nll": "nll (nats)",
    "perplexity": "perplexity",
    "recall_at_1": "recall@1",
    "recall_at_10": "recall@10",
    "recall_at_20": "recall@20",
    "mrr_at_10": "MRR@10",
}
_NAME = re.compile(r"(?:target/(?P<target>[^/]+)/)?(?:baseline/(?P<baseline>[^/]+)/)?(?P<metric>[^/]+)")


def read_results(evaluation: str) -> dict[str, Any]:
    """Reads the Evaluator's output folder.

    Args:
        evaluation: URI of the `evaluation` artefact.

    Returns:
        `metrics` of the model over the whole test split, `bands` of labels by name, `baselines` and `baseline_bands` by
        baseline name, `previous` (metrics of the last blessed model on the same rows, or None), `slices` (a list of
        `slice`, `value`, the metrics, `baselines`, `targets` and `target_baselines`, by column and value), `blessed`,
        and `failures` (a sentence for each threshold that was missed). Of the further targets, by column, `targets`,
        `target_baselines` and `previous_targets`. A metric without labels to measure is None. A label that is a number
        has no bands.

    Raises:
        ValueError: the folder holds no metrics over the whole split.
    """
    whole: dict[str, Any] | None = None
    slices: list[dict[str, Any]] = []
    for record in writer.load_and_deserialize_metrics(evaluation):
        by_model = _by_model(record)
        key = slicer.deserialize_slice_key(record.slice_key)
        candidate = by_model.get("", by_model.get(constants.CANDIDATE_KEY, {}))
        if not candidate:
            continue
        label, *targets = _parts(candidate)
        found = {
            "baselines": {name: _pick(candidate, label, name) for name in label.baselines},
            "targets": {part.target: _pick(candidate, part) for part in targets},
            "target_baselines": {
                part.target: {name: _pick(candidate, part, name) for name in part.baselines} for part in targets
            },
        }
        if key:
            columns = ", ".join(str(column) for column, _ in key)
            slices.append({"slice": columns, "value": _value(key), **_pick(candidate, label), **found})
            continue
        previous = by_model.get(constants.BASELINE_KEY)
        bands = BANDS if label.kind == "label" else ()
        whole = {
            "metrics": _pick(candidate, label),
            "bands": {band: _pick(candidate, label, band=band) for band in bands},
            **found,
            "baseline_bands": {
                name: {band: _pick(candidate, label, name, band) for band in bands} for name in label.baselines if bands
            },
            "previous": _pick(previous, label) if previous else None,
            "previous_targets": {part.target: _pick(previous, part) for part in targets} if previous else {},
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


def _parts(values: dict[str, float]) -> list[Part]:
    """What the names of the metrics say was measured: the label, then the further targets."""
    baselines: dict[str, dict[str, None]] = {"": {}}
    for name in values:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        found = baselines.setdefault(unescaped(match["target"] or ""), {})
        if match["baseline"]:
            found[match["baseline"]] = None
    return [
        Part(target, _kind(target, values), tuple(names))  # pyright: ignore[reportArgumentType]
        for target, names in baselines.items()
    ]


def _kind(target: str, values: dict[str, float]) -> Kind:
    if Part(target, "number", ()).name("rmse") in values:
        return "number"
    return "class" if target else "label"


def _pick(values: dict[str, float], part: Part, baseline: str | None = None, band: str | None = None) -> Metrics:
    found = {metric: values[part.name(metric, baseline, band)] for metric in part.metrics}
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
        if name == rmse_over(baseline):
            ours = _number(whole["metrics"]["rmse"])
            return f"rmse is {ours}, above the {baseline} baseline's {_number(theirs['rmse'])}"
    label = _LABELS.get(name, name)
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
            f"{label} rose by {_number(value)} over the last blessed model's {_number(before)}: "
            f"at most {allowed} is allowed"
        )
    bound = failure.metric_threshold.value_threshold
    if not math.isfinite(value):
        return f"{label} is not a finite number"
    if bound.HasField("lower_bound") and value < bound.lower_bound.value:
        return f"{label} is {_number(value)}: at least {_number(bound.lower_bound.value)} is wanted"
    return f"{label} is {_number(value)}: at most {_number(bound.upper_bound.value)} is wanted"


def _number(value: float | None) -> str:
    return "not a finite number" if value is None else f"{value:.4g}"
