"""Checks of the outputs in an answer of the model."""

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
        k: Number of labels in each row. None: any number above 0.
        number: True if the label is a number. An answer then has `values` in place of labels.
        classes: Names of the further targets that are categories.
        numbers: Names of the further targets that are numbers.
        independent: True if the probability of each class is its own, so that a row may sum to more than 1.
    """

    k: int | None = None
    number: bool = False
    classes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    independent: bool = False

    @classmethod
    def of(cls, k: int | None, data: DataSpec | None, independent: bool = False) -> Expected:
        """Return the expected outputs of a model.

        Args:
            k: Number of labels in each row. None: any number above 0.
            data: Specification of the model's data. None: the label is a class, and there are no further targets.
            independent: True if the probability of each class is its own.
        """
        if data is None:
            return cls(k)
        kinds = {name: target.kind for name, target in data.targets.items()}
        classes, numbers = (tuple(n for n, kind in kinds.items() if kind == k) for k in ("category", "number"))
        return cls(k, data.label_kind == "number", classes, numbers, independent)


def check_answer(outputs: Outputs, rows: int, expected: Expected) -> None:
    """Check one answer.

    Args:
        outputs: Outputs by name. `labels` (rows, k) bytes and `probabilities` (rows, k) floats, or `values` (rows,)
            floats. For each further target `<name>` (rows,) bytes and `<name>_probability` (rows,) floats, or `<name>`
            (rows,) floats.
        rows: Number of rows in the request.
        expected: Outputs that the answer must have.

    Raises:
        BrokenExport: An output is missing or has another shape, a number is not finite, probabilities are not in
            descending order or, unless they are independent, no distribution, or a label is empty or occurs twice in a
            row.
    """
    if expected.number:
        _output(outputs, "values", rows)
    else:
        _check_labels(outputs, rows, expected)
    for name in expected.numbers:
        _output(outputs, name, rows)
    for name in expected.classes:
        probabilities = _output(outputs, f"{name}{PROBABILITY}", rows)
        if (probabilities < 0).any() or (probabilities > 1 + _SUM_TOLERANCE).any():
            raise BrokenExport(f"output '{name}{PROBABILITY}' is not a probability: it is below 0 or above 1")
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


def _check_labels(outputs: Outputs, rows: int, expected: Expected) -> None:
    places = expected.k or max([1, *outputs.get("labels", np.zeros(0)).shape[1:]])
    probabilities, labels = (_output(outputs, name, rows, places) for name in ("probabilities", "labels"))
    if expected.independent and ((probabilities < 0) | (probabilities > 1)).any():
        raise BrokenExport("output 'probabilities' holds a value below 0 or above 1")
    if (probabilities < 0).any() or (
        not expected.independent and (probabilities.sum(axis=1) > 1 + _SUM_TOLERANCE).any()
    ):
        raise BrokenExport(
            "output 'probabilities' is not a distribution: a value is below 0, or a row sums to more than 1"
        )
    if (np.diff(probabilities, axis=1) > 0).any():
        raise BrokenExport("output 'probabilities' is not in descending order")
    for row in labels:
        if not all(row):
            raise BrokenExport("output 'labels' holds an empty label: is the vocabulary in the export?")
        if len(set(row)) != len(row):
            raise BrokenExport(f"output 'labels' holds {row[0]!r} more than once: is the vocabulary in the export?")
