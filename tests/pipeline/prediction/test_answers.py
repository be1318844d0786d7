from __future__ import annotations

import json

from components.inference.answers import as_json
from components.ingest.spec import DataSpec
from pipeline.prediction.answers import as_table

DATA = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "csv", "path": "rows.csv"},
        "inputs": ["viewed"],
        "label": "bought",
        "targets": {"shop": {"kind": "category"}},
    }
)
ODD = "two\nlines\x00 and\u2028more"


def test_labels_of_any_kind_stay_on_a_line_of_the_table() -> None:
    answer = {
        "labels": [(ODD, 0.5), ("x" * 300, 0.25), ("é", 0.125)],
        "value": None,
        "targets": {"shop": ("a\tb", 1.0)},
    }
    first, *rows = as_table("i1\x1b[31m", answer, DATA).splitlines()
    assert first == r"i1\x1b[31m"
    assert rows == [
        "  " + r"two\nlines\x00 and\u2028more".ljust(60) + "  0.5000",
        "  " + "x" * 300 + "  0.2500",
        "  " + "é".ljust(60) + "  0.1250",
        r"  shop: a\tb  1.0000",
    ]


def test_wide_characters_keep_the_probabilities_below_each_other() -> None:
    answer = {"labels": [("states", 0.5), ("漢字", 0.25)], "value": None, "targets": {"shop": ("a", 1.0)}}
    assert as_table("i1", answer, DATA).splitlines()[1:3] == ["  states  0.5000", "  漢字    0.2500"]


def test_labels_of_any_kind_stay_on_a_line_of_json_and_come_back_as_they_are() -> None:
    answer = {"labels": [(ODD, 0.5)], "value": None, "targets": {"shop": ("a\tb", 1.0)}}
    [line] = as_json(answer, DATA).splitlines()
    assert json.loads(line) == {
        "labels": [{"label": ODD, "probability": 0.5}],
        "shop": {"label": "a\tb", "probability": 1.0},
    }
