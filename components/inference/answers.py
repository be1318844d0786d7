"""Answers of a model, as plain data and as JSON."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from components.ingest.spec import PROBABILITY, DataSpec

Answer = dict[str, Any]
"""Answer to one row: `labels` with their probabilities, the most probable first, or `value` if the label is a number;
and `targets` by name, each a number or a value with its probability."""
NO_ANSWER = "null\n"
"""Answer of a row that cannot be used."""
LINE_BREAKS = str.maketrans({"\x85": r"\u0085", "\u2028": r"\u2028", "\u2029": r"\u2029"})
"""Escapes of characters that JSON allows in a string, but that many readers interpret as line ends."""


def from_outputs(outputs: Mapping[str, Any], row: int, data: DataSpec, top: int, least: float | None = None) -> Answer:
    """Return the answer to one row.

    Args:
        outputs: Outputs of `serving_default`, as nested lists with one entry for each row: see
            `components.training.export.servable`.
        row: Number of the row, from 0.
        data: Data specification of the model.
        top: Number of labels to keep.
        least: Least probability of a label. None: any.
    """
    labels = zip(outputs["labels"][row], outputs["probabilities"][row], strict=True) if "labels" in outputs else ()
    return {
        "labels": [
            (label.decode(), probability)
            for label, probability in itertools.islice(labels, top)
            if least is None or probability >= least
        ],
        "value": outputs["values"][row] if "values" in outputs else None,
        "targets": {
            name: outputs[name][row]
            if target.kind == "number"
            else (outputs[name][row].decode(), outputs[f"{name}{PROBABILITY}"][row])
            for name, target in data.targets.items()
        },
    }


def as_json(answer: Answer | None, data: DataSpec) -> str:
    """Return an answer as one line of JSON; null for a row that cannot be used."""
    if answer is None:
        return NO_ANSWER
    return json.dumps(as_data(answer, data), ensure_ascii=False).translate(LINE_BREAKS) + "\n"


def as_data(answer: Answer, data: DataSpec) -> Any:
    """Return an answer as plain data: the labels, or a dict if the label is a number or the model has more targets."""
    labels = [_labelled(*found) for found in answer["labels"]]
    if not data.targets and data.label_kind != "number":
        return labels
    label = {"value": _rounded(answer["value"])} if data.label_kind == "number" else {"labels": labels}
    targets = {
        n: _labelled(*found) if isinstance(found, tuple) else _rounded(found) for n, found in answer["targets"].items()
    }
    return {**label, **targets}


def _labelled(label: str, probability: float) -> dict[str, Any]:
    return {"label": label, "probability": round(probability, 6)}


def _rounded(value: float) -> float:
    """Round a number to the precision of float32."""
    return float(f"{value:.7g}")
