"""Answers of a model, for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from components.inference.answers import Answer
from components.ingest.spec import DataSpec
from components.messages.formatting import printable

_WIDTH = 60
"""Characters of the column of labels, at most; longer labels stand out."""


def as_table(text: str, answer: Answer | None, data: DataSpec) -> str:
    """Return an answer for people: labels in a table, then numbers and further targets by their columns' names."""
    return "\n".join([printable(text), *(["  no answer"] if answer is None else _lines(answer, data))]) + "\n"


def _lines(answer: Answer, data: DataSpec) -> Iterator[str]:
    rows = [(printable(label), f"{probability:.4f}") for label, probability in answer["labels"]]
    if data.label_kind == "number":
        rows.append((printable(str(data.label)), _number(answer["value"])))
    if not rows:
        yield "  no label reaches the threshold"
    # Not a table of rich's, which would wrap or cut a label that is longer than the column.
    width = min(_WIDTH, max((cell_len(label) for label, _ in rows), default=0))
    yield from (f"  {label}{' ' * (width - cell_len(label))}  {figure}" for label, figure in rows)
    for name, found in answer["targets"].items():
        shown = f"{printable(found[0])}  {found[1]:.4f}" if isinstance(found, tuple) else _number(found)
        yield f"  {printable(name)}: {shown}"


def _number(value: float) -> str:
    return f"{value:.6g}"
