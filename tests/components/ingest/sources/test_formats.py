"""Tests of the formats of text files beside CSV: JSON arrays, fastText, svmlight, and texts by line."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.errors import BrokenFile, RowError
from components.ingest.sources.base import Lines
from components.ingest.sources.files.json_array import elements
from components.ingest.sources.registry import spec_of_file
from tests.components.ingest.sources.helpers import source
from tests.drawing import drawn


def read(path: Path, kind: str, size: int = 1 << 20, **keys: Any) -> list[tuple[int, Any]]:
    """Return the numbered rows of a file, cut into ranges of a size; each line must be accounted for."""
    of = source(kind, path="x", **keys)
    found = []
    for one in of.ranges(str(path), size):
        lines = Lines()
        found += of.rows(one, ["text"], lines)
        assert lines.counted == lines.header + lines.blank + lines.rows
    return found


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@drawn()
@given(
    st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=8), st.integers(1, 40), st.booleans()
)
def test_an_array_read_in_any_blocks_has_its_objects(rows: list[Any], size: int, indented: bool) -> None:
    text = json.dumps(rows, ensure_ascii=False, indent=2 if indented else None).encode() + b"\n"
    blocks = (text[at : at + size] for at in range(0, len(text), size))
    assert list(elements(blocks, "x")) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1}, {"a"', r"object 2 of the JSON array"),
        ('[{"a": 1},', r"breaks off after 1 objects"),
        ('[{"a": 1} {"a": 2}]', r"'\{\"a\": 2\}\]' stands after 1 objects of the JSON array, where , or \] belongs"),
        ('[{"a": 1}] x', r"'x' stands after 1 objects of the JSON array, after its end"),
        ("", r"breaks off after 0 objects"),
    ],
)
def test_what_is_no_array_is_refused(text: str, message: str) -> None:
    with pytest.raises(BrokenFile, match=message):
        list(elements([text.encode()], "x"))


def test_a_json_file_may_be_an_array(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('\n[\n {"text": "a"},\n {"text": 18446744073709551617}, 3\n]\n')
    [(_, first), (_, second), (three, fault)] = read(path, "jsonl", 1)
    assert (first, second, three) == ({"text": "a"}, {"text": 18446744073709551617}, 3)
    assert isinstance(fault, RowError)


def test_numbers_of_json_are_exact_and_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": 18446744073709551617}\n{"text": NaN}\n{"text": "NaN"}\n{"text": nan}\n')
    (_, first), (_, second), (_, third), (_, fourth) = read(path, "jsonl")
    assert first == {"text": 18446744073709551617}
    assert second["text"] != second["text"]
    assert third == {"text": "NaN"}
    assert isinstance(fourth, RowError)


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("line", [(1, "one line"), (3, "another"), (4, "last")]),
        ("paragraph", [(1, "one line"), (3, "another\nlast")]),
    ],
)
def test_lines_and_paragraphs_of_a_text(rows: str, found: list[tuple[int, str]], size: int, tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("one line\n\nanother\nlast")
    assert [(n, row["text"]) for n, row in read(path, "text", size, rows=rows)] == found


FASTTEXT = "__label__a __label__b some __label__ words\n\n__label__c\nno label\n"


def test_lines_of_fasttext(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(FASTTEXT)
    both = {"labels": ["a", "b"], "text": "some __label__ words"}
    rest = [
        (3, {"label": "c", "labels": ["c"], "text": ""}),
        (4, {"label": None, "labels": [], "text": "no label"}),
    ]
    assert read(path, "fasttext", 1) == [(1, {"label": "a", **both}), (1, {"label": "b", **both}), *rest]
    assert read(path, "fasttext", several="first") == [(1, {"label": "a", **both}), *rest]
    found = spec_of_file("new.txt", FASTTEXT.encode(), source("csv", path="x").spec)
    assert found.kind == "fasttext"
    assert found.to_predict() == source("fasttext", path="new.txt", several="first").spec


def test_lines_of_svmlight(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("3 20 9\n7,12 3:0.5 18:1e-3 4:0\n3:1 # no label\n 5:2\n8\n9 three:x\n")
    rows = read(path, "svmlight", 1)
    assert [(n, row["label"], row["tokens"]) for n, row in rows[:-1]] == [
        (2, "7", ["3", "18"]), (2, "12", ["3", "18"]), (3, None, ["3"]), (4, None, ["5"]), (5, "8", [])
    ]  # fmt: skip
    assert rows[0][1]["labels"] == ["7", "12"]
    assert isinstance(rows[-1][1], RowError)
    assert "'three:x' is no pair" in rows[-1][1].reason


def test_rows_of_a_file_are_the_same_however_it_is_cut() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.txt")
        path.write_text(FASTTEXT * 50)
        assert read(path, "fasttext", 10) == read(path, "fasttext")


@pytest.mark.parametrize(
    ("kind", "text", "rows"),
    [
        ("fasttext", "__label__b __label__a x y\nx\n", [(["b", "a"], {"text": "x y"}), ([], {"text": "x"})]),
        ("svmlight", "7,12 3:0.5 18:1\n 4:1\n", [(["7", "12"], {"tokens": ["3", "18"]}), ([], {"tokens": ["4"]})]),
    ],
)
def test_a_line_can_be_one_row_with_all_labels(kind: str, text: str, rows: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text(text)
    expected = [(n, {"label": labels, "labels": labels, **more}) for n, (labels, more) in enumerate(rows, 1)]
    assert read(path, kind, 1, several="list") == expected
