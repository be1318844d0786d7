"""The outputs that an answer of the model must have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.ingest.spec import PROBABILITY, DataSpec

Outputs = dict[str, np.ndarray]
_SUM_TOLERANCE = 1e-3


class BrokenExport(Exception):
    """Fault of the exported model, in one sentence."""


@dataclass(frozen=True)
class Expected:
    """Outputs that an answer must have.

    Attributes:
        k: Labels of each row; None: at least one.
        number: The label is a number: an answer has `values` in place of labels.
        classes: Further targets that are answered with one of their values.
        numbers: Further targets that are answered with a number.
    """

    k: int | None = None
    number: bool = False
    classes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @classmethod
    def of(cls, k: int | None, data: DataSpec | None) -> Expected:
        """Return the outputs of a model of `data`; None: a label of the vocabulary, and no further target."""
        if data is None:
            return cls(k)
        kinds = {name: target.kind for name, target in data.targets.items()}
        classes, numbers = (tuple(n for n, kind in kinds.items() if kind == k) for k in ("category", "number"))
        return cls(k, data.label_kind == "number", classes, numbers)


def check_answer(outputs: Outputs, rows: int, expected: Expected) -> None:
    """Check one answer.

    Args:
        outputs: By name; `labels` (rows, k) bytes and `probabilities` (rows, k) floats, or `values` (rows,) floats; for
            each further target (rows,) bytes and `<name>_probability` (rows,) floats, or (rows,) floats.
        rows: Rows in the request.
        expected: The outputs that the answer must have.

    Raises:
        BrokenExport: An output is missing or has another shape; a number is not finite; probabilities are no
            distribution in descending order; a label is empty or stands twice in a row.
    """
    if expected.number:
        _output(outputs, "values", rows)
    else:
        _check_labels(outputs, rows, expected.k)
    for name in expected.numbers:
        _output(outputs, name, rows)
    for name in expected.classes:
        probabilities = _output(outputs, f"{name}{PROBABILITY}", rows)
        if (probabilities < 0).any() or (probabilities > 1 + _SUM_TOLERANCE).any():
            raise BrokenExport(f"output '{name}{PROBABILITY}' is no probability: below 0 or above 1")
        if not all(_output(outputs, name, rows)):
            raise BrokenExport(f"output '{name}' is empty: is the vocabulary in the export?")


def _output(outputs: Outputs, name: str, *shape: int) -> np.ndarray:
    if name not in outputs:
        raise BrokenExport(f"the answer has no output '{name}', only {sorted(outputs)}")
    value = outputs[name]
    if value.shape != shape:
        raise BrokenExport(f"output '{name}' has shape {value.shape} for {shape[0]} rows, not {shape}")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise BrokenExport(f"output '{name}' holds NaN or infinity")
    return value


def _check_labels(outputs: Outputs, rows: int, k: int | None) -> None:
    places = k or max([1, *outputs.get("labels", np.zeros(0)).shape[1:]])
    probabilities, labels = (_output(outputs, name, rows, places) for name in ("probabilities", "labels"))
    if (probabilities < 0).any() or (probabilities.sum(axis=1) > 1 + _SUM_TOLERANCE).any():
        raise BrokenExport("output 'probabilities' is no distribution: below 0, or a row sums to more than 1")
    if (np.diff(probabilities, axis=1) > 0).any():
        raise BrokenExport("output 'probabilities' is not in descending order")
    for row in labels:
        if not all(row):
            raise BrokenExport("output 'labels' holds an empty label: is the vocabulary in the export?")
        if len(set(row)) != len(row):
            raise BrokenExport(f"output 'labels' holds {row[0]!r} more than once: is the vocabulary in the export?")
