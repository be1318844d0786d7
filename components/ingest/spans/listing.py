"""Spans of a source: periods such as days or decades, whose data arrives one period at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from components.ingest.errors import IngestError
from components.ingest.sources.base import SourceSpec
from components.ingest.sources.files import placeholders
from components.ingest.sources.registry import source_of
from components.messages.spelling import did_you_mean

_SHOWN = 40


def has_spans(source: SourceSpec) -> bool:
    """Return True if the rows come in spans."""
    return source_of(source).has_spans


def name_of(source: SourceSpec, span: int) -> str:
    """Return the display name of a span, such as `1940s` or `2026-11-22`, or its number."""
    return source_of(source).span_name(span)


def spans_there(source: SourceSpec, root: Path) -> list[int]:
    """Return the numbers of all spans that have a file, in ascending order.

    Args:
        source: Source with spans.
        root: Base folder of a relative path.

    Raises:
        IngestError: No span has a file, or a number has more leading zeros than the path states.
    """
    # Imported here, because TFX takes seconds to load, and most functions of this module do not need it.
    from components.compat.tfx.drivers import files_of_spans

    base, pattern = source_of(source).place(root)
    base = source_of(source).folder(base)
    without_width = re.search(r"\{SPAN\}", pattern)
    found: set[int] = set()
    for file, span, digits in files_of_spans(base, pattern):
        if without_width and digits[0] != str(span):
            raise IngestError(
                f"data.source.path: span {span} is written '{digits[0]}' in {file}: say how wide the number is, as "
                f"{{SPAN:{len(digits[0])}}}"
            )
        found.add(span)
    if not found:
        raise IngestError(f"data.source.path: no span is there: nothing matches {base}/{placeholders.every(pattern)}")
    return sorted(found)


def spans_up_to(newest: int | str | None, source: SourceSpec, there: list[int]) -> list[int]:
    """Return the spans up to the newest one, in ascending order.

    Args:
        newest: Number or name of the newest span. None: the last span in `there`.
        source: Source with spans.
        there: Spans with files, in ascending order.

    Raises:
        IngestError: The span has no files. The message names the spans with files, and the nearest span.
    """
    if newest is None:
        return there
    by_name: Mapping[str, int] = {str(s): s for s in there} | {name_of(source, s): s for s in there}
    if str(newest) not in by_name:
        names = [name_of(source, span) for span in there]
        near = did_you_mean(str(newest), by_name)
        shown = [f"{len(names) - _SHOWN} older ones", *names[-_SHOWN:]] if len(names) > _SHOWN else names
        raise IngestError(f"data.span: there is no span {newest}{near} (there are: {', '.join(shown)})")
    return [span for span in there if span <= by_name[str(newest)]]
