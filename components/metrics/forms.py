"""Writing the values of metrics for people."""

from __future__ import annotations

from components.figures import in_units

FORMS = {"fraction": ".3f", "large": ",.1f", "count": ",d", "units": "units"}
"""The forms that a metric may name in place of a format such as `.2%`.

`fraction`: three decimals. `large`: one decimal below 1,000, none from there on. `count`: whole. `units`: four digits.
"""


def figure(value: float | None, form: str = "fraction", missing: str = "–") -> str:
    """Return a value as the report shows it.

    Args:
        value: The value; None where nothing was measured.
        form: One of `FORMS`, or a format of Python's.
        missing: What stands for None.
    """
    if value is None:
        return missing
    if form == "units":
        return in_units(value)
    if form == "count":
        return f"{int(value):,}"
    if form == "large" and value >= 1_000:
        return f"{value:,.0f}"
    return format(value, FORMS.get(form, form))


def on_terminal(value: float | None, form: str) -> str:
    """Return a value as the terminal shows it: `large` with a decimal and without separators, for those who copy it."""
    return format(value, ".1f") if form == "large" and value is not None else figure(value, form, missing="-")


def on_axis(value: float, form: str) -> str:
    """Return a value as a chart's axis shows it: `large` with four digits."""
    return format(value, ",.4g") if form == "large" else figure(value, form)


def in_sentence(value: float | None) -> str:
    """Return a value as a sentence on a threshold has it, whatever its metric: four digits."""
    return "not a finite number" if value is None else f"{value:.4g}"
