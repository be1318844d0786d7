"""Formats of numbers, durations and texts of data for people: the only place that rounds for display.

No function raises for a number that is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

FORMS = {"fraction": ".3f", "large": ",.1f", "count": ",d", "units": "units"}
"""Forms that a metric may name in place of a format such as `.2%`.

`fraction`: three decimals. `large`: one decimal below 1,000, none from 1,000, and a power of ten from 10 million, such
as a perplexity of a model that is sure of wrong labels. `count`: a whole number. `units`: at least four significant
digits.
"""
_POWER_OF_TEN = 9_999_999.5
"""The least large number that would have more than seven digits."""
_WITHOUT_DECIMALS = 999.95
"""The least number that one decimal would round to 1,000.0."""


def figure(value: float | None, form: str = "fraction", missing: str = "–") -> str:
    """Format a metric for the report.

    Args:
        value: Value, or None if nothing was measured.
        form: One of `FORMS`, or a format of Python.
        missing: Text for None.
    """
    if value is None:
        return missing
    if not math.isfinite(value):
        return f"{value:f}"
    if form == "units":
        return in_units(value)
    if form == "count":
        return f"{int(value):,}"
    if form == "large" and abs(value) >= _WITHOUT_DECIMALS:
        return f"{value:.1e}" if abs(value) >= _POWER_OF_TEN else f"{value:,.0f}"
    return format(value, FORMS.get(form, form))


def on_terminal(value: float | None, form: str) -> str:
    """Format a metric for the terminal: `large` has a decimal and no separators, so that it can be copied."""
    if form == "large" and value is not None and not abs(value) >= _POWER_OF_TEN:
        return format(value, ".1f")
    return figure(value, form, missing="-")


def on_axis(value: float, form: str) -> str:
    """Format a metric for the axis of a chart: `large` has four significant digits."""
    return format(value, ",.4g") if form == "large" else figure(value, form)


def in_sentence(value: float | None) -> str:
    """Format a metric for a sentence about a threshold: four significant digits for every metric."""
    return "not a finite number" if value is None or not math.isfinite(value) else f"{value:.4g}"


def in_units(value: float) -> str:
    """Format a number in the user's own units, to at least four significant digits.

    Examples: `33.54`, `0.01250`, `1,250`, `1,234,567`, `1.234e+21`.
    """
    if not abs(value) < 1e15:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= _WITHOUT_DECIMALS else f"{value:#.4g}"


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Return the last name of each dotted key; the whole key where the last name is not unique."""
    last = {key: key.rpartition(".")[2] for key in keys}
    names = [*last.values()]
    return {key: name if names.count(name) == 1 else key for key, name in last.items()}


def setting(value: object) -> str:
    """Format the value of a key of the configuration: a number with a fraction to three significant digits."""
    return figure(value, ".3g") if isinstance(value, float) else "none" if value is None else str(value)


def share(value: float | None) -> str:
    """Format a share as a percentage, with two decimals below 10% and one decimal from 10%: `1.82%`, `12.3%`."""
    if value is None:
        return figure(value)
    return f"{value:.2%}" if abs(value) < 0.09995 else f"{value:.1%}"


def three_digits(value: float) -> str:
    """Format a number to about three significant digits, and at most three decimals: 0.231, 1.73, 17.3, 1,706."""
    digits = next((n for n, limit in ((3, 0.9995), (2, 9.995), (1, 99.95)) if abs(value) < limit), 0)
    return f"{value:,.{digits}f}"


def times(ratio: float) -> str:
    """Format a ratio: `23.1x`, and with two decimals below 1: `0.68x`."""
    return f"{ratio:.1f}x" if not ratio < 0.995 else f"{ratio:.2f}x"


def rounded_count(number: int) -> str:
    """Format a whole number of thousands or millions: `25K`, `1M`. Other numbers are written in full: `1,024`."""
    for size, letter in ((1_000_000, "M"), (1_000, "K")):
        if number and number % size == 0:
            return f"{number // size}{letter}"
    return f"{number:,}"


def in_bytes(number: int) -> str:
    """Format a size in decimal units: `0 bytes`, `4.1 kB`, `12.6 MB`."""
    if number < 1000:
        return f"{number} bytes"
    size, unit = number / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if size >= _WITHOUT_DECIMALS:
            size, unit = size / 1000, larger
    return f"{size:,.1f} {unit}"


def in_mebibytes(number: float) -> str:
    """Format a number of bytes as whole MiB, without the unit."""
    return f"{number / 2**20:,.0f}"


def duration(seconds: float) -> str:
    """Format a duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.

    A negative duration, as between the clocks of two machines, has a sign.
    """
    if not math.isfinite(seconds):
        return f"{seconds:f} s"
    if seconds < 0:
        length = duration(-seconds)
        return length if length == "0 s" else f"-{length}"
    if seconds < 10:
        return f"{seconds:.1f} s" if round(seconds, 1) else "0 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(seconds: float) -> str:
    """Format the time left as on a clock: `0:04`, `12:30`, `1:00:00`. Time that has run out is `0:00`.

    Unlike a duration, the text keeps its width while the time runs down.
    """
    if not math.isfinite(seconds):
        return "-:--"
    minutes, rest = divmod(int(max(seconds, 0) + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def listed(words: Iterable[str]) -> str:
    """Join words as in a sentence: `a`, `a and b`, `a, b and c`. There must be at least one word."""
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


_MARKUP = frozenset("\\`*_{}[]<>&|#~$!")
"""Characters that Markdown or HTML may read as markup."""


def in_markdown(text: str) -> str:
    """Write text of data for Markdown on one line: characters of markup become references, such as `&#42;`."""
    return "".join(f"&#{ord(c)};" if c in _MARKUP else c for c in printable(text))


def printable(text: str, kept: str = "") -> str:
    r"""Write control characters, line breaks and other characters that do not print as escapes, such as `\x1b`.

    A label may contain the control sequences of a terminal, which recolor it, move its cursor or set its title.

    Args:
        text: Text of data.
        kept: Characters to leave, such as the line breaks of a message of several lines.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in text)
