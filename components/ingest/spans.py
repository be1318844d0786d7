"""Spans of a source: parts of its rows that come one after the other, such as days or decades.

A path says where the number of a span stands: `clicks/day-{SPAN:3}/*.csv`. The placeholders are those of TFX's
ExampleGen.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

from components.spelling import did_you_mean

if TYPE_CHECKING:
    from components.ingest.spec import SourceSpec

DECADES = "speeches/{SPAN:3}*.txt"
"""The default corpus by decade: a file's name begins with the year."""
_DATE = ("YYYY", "MM", "DD")
_NAMES = ("SPAN", "VERSION", *_DATE)
_PLACEHOLDER = re.compile(rf"\{{({'|'.join(_NAMES)})(?::(\d+))?\}}")
_EPOCH = datetime.date(1970, 1, 1)


def has_spans(source: SourceSpec) -> bool:
    """Whether the rows come in spans."""
    return source.spans is not None or bool(source.path and _found(source.path) & {"SPAN", *_DATE})


def by_date(source: SourceSpec) -> bool:
    """Whether a span is a day: its number counts days from 1970-01-01, as in TFX."""
    return bool(source.path and "YYYY" in _found(source.path))


def name_of(source: SourceSpec, span: int) -> str:
    """What people call a span: `1940s`, `2026-11-22`, or its number."""
    if source.spans == "decades":
        return f"{span}0s"
    return str(_EPOCH + datetime.timedelta(span)) if by_date(source) else str(span)


def every(path: str) -> str:
    """The glob pattern of the files of all spans and versions."""
    return _PLACEHOLDER.sub("*", path)


def placeholder_faults(path: str) -> list[str]:
    """What is wrong with the placeholders of a path, a sentence each."""
    faults = [
        f"unknown placeholder {{{word}}}{near}"
        for word in re.findall(r"\{(\w+)(?::\d*)?\}", path)
        if word not in _NAMES and (near := did_you_mean(word.upper(), _NAMES))
    ]
    names = [match[1] for match in _PLACEHOLDER.finditer(path)]
    dates = [name for name in names if name in _DATE]
    faults += [f"{{{name}}} stands more than once" for name in _NAMES if names.count(name) > 1]
    if dates and set(dates) != set(_DATE):
        faults.append("a date has all of {YYYY}, {MM} and {DD}")
    if dates and "SPAN" in names:
        faults.append("spans are either numbers, {SPAN}, or days, {YYYY}, {MM} and {DD}")
    if "VERSION" in names and not dates and "SPAN" not in names:
        faults.append("{VERSION} is of a span: {SPAN}, or {YYYY}, {MM} and {DD}, are missing")
    return faults


def _found(path: str) -> set[str]:
    return {match[1] for match in _PLACEHOLDER.finditer(path)}
