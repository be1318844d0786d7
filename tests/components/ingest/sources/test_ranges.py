from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.sources.base import Lines
from tests.components.ingest.sources.helpers import source
from tests.drawing import drawn

CELL = st.text(st.sampled_from('ab ,"\n\ré'), max_size=6)


def rows(path: Path, kind: str, size: int) -> list[tuple[int, object]]:
    of = source(kind, path="x")
    return [item for one in of.ranges(str(path), size) for item in of.rows(one, ["words"], Lines())]


@drawn()
@given(st.lists(st.tuples(CELL, CELL), max_size=30), st.integers(1, 60), st.sampled_from(["\n", "\r\n"]))
def test_a_csv_file_cut_anywhere_has_the_rows_of_the_whole(cells: list[tuple[str, str]], size: int, end: str) -> None:
    text = io.StringIO(newline="")
    # Python's writer does not quote a lone carriage return, unless it ends lines with one.
    quoting = csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerows([("words", "other"), *cells])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(text.getvalue().encode())
        found = rows(path, "csv", size)
        assert found == rows(path, "csv", 1 << 20)
    assert [row for _, row in found] == [{"words": a, "other": b} for a, b in cells]


@drawn()
@given(st.lists(st.text(st.sampled_from("ab \n\r"), max_size=8), max_size=20), st.integers(1, 40))
def test_a_text_cut_anywhere_has_the_paragraphs_of_the_whole(texts: list[str], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.txt")
        path.write_bytes("\n\n".join(texts).encode())
        assert rows(path, "text", size) == rows(path, "text", 1 << 20)


@drawn()
@given(st.lists(st.text(st.sampled_from("ab\n é\u2028\x85"), max_size=8), max_size=20), st.integers(1, 40))
def test_json_lines_cut_anywhere_keep_rows_and_line_numbers(texts: list[str], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.jsonl")
        lines = [f'{{"words": {json.dumps(text, ensure_ascii=False)}}}\n' for text in texts]
        path.write_text("".join(lines), encoding="utf-8")
        assert rows(path, "jsonl", size) == [(i, {"words": text}) for i, text in enumerate(texts, start=1)]


def test_a_large_file_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"words": "the state of the union"}\n' * 1000)
    ranges = list(source("jsonl", path="x").ranges(str(path), 10_000))
    assert len(ranges) > 2
    assert [one.line for one in ranges] == [one.start // 36 + 1 for one in ranges]
    assert [one.start for one in ranges[1:]] == [one.end for one in ranges[:-1]]


def test_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"words": [f"row {i}" for i in range(25)], "other": range(25)}), path, row_group_size=10)
    assert [one.line for one in source("parquet", path="x").ranges(str(path))] == [1, 11, 21]
    assert rows(path, "parquet", 1) == [(i + 1, {"words": f"row {i}"}) for i in range(25)]
