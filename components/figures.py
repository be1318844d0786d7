"""Formatting of numbers for people."""

from __future__ import annotations


def in_units(value: float) -> str:
    """Format a number in the user's own units, to at least four significant digits.

    Examples: `33.54`, `0.01250`, `1,250`, `1,234,567`, `1.234e+21`.
    """
    if abs(value) >= 1e15:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 999.95 else f"{value:#.4g}"


def duration(seconds: float) -> str:
    """Format a duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s" if round(seconds, 1) else "0 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
