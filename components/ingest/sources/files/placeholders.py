"""Placeholders in the path of a source, for the number, the day and the version of a span.

Example: `clicks/day-{SPAN:3}/*.csv`. The placeholders are those of TFX's ExampleGen.
"""

from __future__ import annotations

import datetime
import re

from components.messages.spelling import did_you_mean

EVERYTHING = "**"
"""Pattern of all files of a source below a folder."""
_DATE = ("YYYY", "MM", "DD")
_NAMES = ("SPAN", "VERSION", *_DATE)
_PLACEHOLDER = re.compile(rf"\{{({'|'.join(_NAMES)})(?::(\d+))?\}}")
_EPOCH = datetime.date(1970, 1, 1)


def has_spans(path: str) -> bool:
    """Return True if a path has the placeholders of a span."""
    return bool(_found(path) & {"SPAN", *_DATE})


def name_of(path: str, span: int) -> str:
    """Return the display name of a span: a day such as `2026-11-22`, or the number.

    Days are numbered from 1970-01-01, as in TFX.
    """
    return str(_EPOCH + datetime.timedelta(span)) if "YYYY" in _found(path) else str(span)


def every(path: str) -> str:
    """Return the glob pattern of the files of all spans and versions."""
    return _PLACEHOLDER.sub("*", path)


def faults(path: str) -> list[str]:
    """Return the faults of the placeholders of a path, one sentence each."""
    found = [
        f"unknown placeholder {{{word}}}{near}"
        for word in re.findall(r"\{(\w+)(?::\d*)?\}", path)
        if word not in _NAMES and (near := did_you_mean(word.upper(), _NAMES))
    ]
    names = [match[1] for match in _PLACEHOLDER.finditer(path)]
    dates = [name for name in names if name in _DATE]
    found += [f"{{{name}}} stands more than once" for name in _NAMES if names.count(name) > 1]
    if dates and set(dates) != set(_DATE):
        found.append("a date has all of {YYYY}, {MM} and {DD}")
    if dates and "SPAN" in names:
        found.append("spans are either numbers, {SPAN}, or days, {YYYY}, {MM} and {DD}")
    if "VERSION" in names and not dates and "SPAN" not in names:
        found.append("{VERSION} is of a span: {SPAN}, or {YYYY}, {MM} and {DD}, are missing")
    return found


def _found(path: str) -> set[str]:
    return {match[1] for match in _PLACEHOLDER.finditer(path)}
