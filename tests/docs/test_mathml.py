"""Tests of the equations: they are MathML in the page, and code stays code."""

from __future__ import annotations

import pytest

markdown = pytest.importorskip("markdown")
pytest.importorskip("latex2mathml", reason="the equations of the site need the dependency group docs")


def test_equations_become_mathml() -> None:
    html = markdown.markdown("In $p_j$:\n\n$$\n\\frac{a}{b}\n$$\n", extensions=["docs.tools.mathml"])
    assert html.count("<math") == 2
    assert '<div class="equation"><math' in html
    assert "<mfrac>" in html
    assert "$" not in html


def test_dollars_in_code_and_in_prices_stay() -> None:
    text = "`$OUT` costs $5 or $6 in `a$b`, and US$7."
    assert "<math" not in markdown.markdown(text, extensions=["docs.tools.mathml"])
