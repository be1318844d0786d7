from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.charts import Chart, Column, bars, embedded, lines, position, series
from tests.drawing import drawn

COLUMNS = (Column("name", "name"), Column("k", "entries", "count"), Column("share", "share"))
X, Y = position("k", "entries", type="log"), position("share", "share of the tokens")


def chart(*names: str) -> Chart:
    rows = [{"name": name, "k": 1_000 * (n + 1), "share": 0.25} for n, name in enumerate(names)]
    layers = lines(X, Y, COLUMNS, series("name", names))
    return Chart("coverage", "Coverage", "train split", rows, COLUMNS, layers, {})


def test_a_chart_has_a_table_of_its_data() -> None:
    text = " ".join(re.sub(r"<[^>]*>", " ", chart("inputs", "labels").__html__()).split())
    assert text == "Coverage train split Table: Coverage name entries share inputs 1,000 0.250 labels 2,000 0.250"


def test_the_tooltips_have_the_texts_of_the_table() -> None:
    found = chart("inputs").specification
    assert found["data"]["values"] == [
        {"name": "inputs", "k": 1_000, "share": 0.25, "text_0": "inputs", "text_1": "1,000", "text_2": "0.250"}
    ]
    tooltip = found["layer"][1]["encoding"]["tooltip"]
    assert [(of["title"], of["field"]) for of in tooltip] == [
        ("name", "text_0"), ("entries", "text_1"), ("share", "text_2"),
    ]  # fmt: skip
    assert found["description"] == "Coverage. train split"


def test_series_differ_without_colors() -> None:
    line, dots = lines(X, Y, COLUMNS, series("name", ["a", "b"]))
    assert line["encoding"]["strokeDash"]["scale"]["domain"] == ["a", "b"]
    assert len(set(dots["encoding"]["shape"]["scale"]["range"])) == 2
    (bar,) = bars(X, Y, COLUMNS, series("name", ["a", "b"]))
    assert bar["encoding"]["xOffset"]["scale"]["domain"] == ["a", "b"]


@drawn()
@given(st.text() | st.sampled_from(["</script>", "<!--", "&lt;", "\u2028\u2029", "]]>", "\ud800"]))
def test_text_cannot_end_the_script_that_holds_it(text: str) -> None:
    found = embedded({"values": [text], text: 1})
    assert not set(found) & set("<>&\u2028\u2029")
    assert found.isascii()
    assert json.loads(found) == {"values": [text], text: 1}


def test_a_number_that_json_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded([float("nan")])


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>"])
def test_text_adds_no_element_to_the_table(text: str) -> None:
    tags = [re.findall(r"</?(\w+)[^>]*>", chart(name).__html__()) for name in ("harmless", text)]
    assert tags[0] == tags[1]
