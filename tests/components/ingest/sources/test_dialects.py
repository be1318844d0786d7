"""Tests of dialects, encodings, line ends and compressions of text files, and of columns in the names of folders."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.ingest.errors import BrokenFile, IngestError, RowError
from components.ingest.header import check_columns
from components.ingest.sources.base import Lines
from components.ingest.spec import DataSpec
from tests.components.ingest.sources.helpers import source
from tests.drawing import drawn

ROWS = [
    {"words": "größer", "viewed": "i2", "bought": 'the "best" one'},
    {"words": "i101", "viewed": "", "bought": "L1"},
]


def read(path: Path, kind: str = "csv", size: int = 1 << 20, **keys: Any) -> list[dict[str, Any]]:
    """Return the rows of a file, cut into ranges of a size; each line must be accounted for."""
    of = source(kind, path="x", **keys)
    found = []
    for one in of.ranges(str(path), size):
        lines = Lines()
        for _, row in of.read(one, ["words", "viewed", "bought"], lines):
            assert not isinstance(row, RowError), row
            found.append(row)
        assert lines.counted == lines.header + lines.blank + lines.rows
        assert one.lines in (None, lines.counted)
    return found


PLAIN = 'words,viewed,bought\ngrößer,i2,"the ""best"" one"\ni101,,L1\n'
FILES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "comma.csv": (PLAIN.encode(), {}),
    "semicolon.csv": ('words;viewed;bought\ngrößer;i2;"the ""best"" one"\ni101;;L1'.encode(), {"delimiter": ";"}),
    "bar.csv": ('words|viewed|bought\ngrößer|i2|"the ""best"" one"\ni101||L1'.encode(), {"delimiter": "|"}),
    "ratings.dat": (
        'größer::i2::"the ""best"" one"\ni101::::L1\n'.encode(),
        {"delimiter": "::", "header": False, "columns": ["words", "viewed", "bought"]},
    ),
    "tabs.csv": ('words\tviewed\tbought\ngrößer\ti2\t"the ""best"" one"\ni101\t\tL1'.encode(), {"delimiter": "\t"}),
    "no_header.tsv": (
        'größer\ti2\tthe "best" one\ni101\t\tL1\n'.encode(),
        {"header": False, "columns": ["words", "viewed", "bought"]},
    ),
    "spark.csv": (
        'words,viewed,bought\ngrößer,i2,"the \\"best\\" one"\ni101,,L1\n'.encode(),
        {"escape": "\\"},
    ),
    "latin.csv": (PLAIN.encode("latin-1"), {"encoding": "latin-1"}),
    "windows.csv": (PLAIN.encode("cp1252"), {"encoding": "cp1252"}),
    "excel.csv": (codecs.BOM_UTF8 + PLAIN.replace("\n", "\r\n").encode(), {"encoding": "cp1252"}),
    "wide.csv": (PLAIN.encode("utf-16"), {}),
    "unicode_text.tsv": (PLAIN.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"), {"quote": "double"}),
    "big_endian.csv": (codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"), {}),
    "no_mark.csv": (PLAIN.encode("utf-16-be"), {"encoding": "utf-16"}),
    "macintosh.csv": (PLAIN.replace("\n", "\r").encode(), {}),
    "wide_macintosh.csv": (PLAIN.replace("\n", "\r").encode("utf-16"), {}),
    "comments.csv": (
        ('# an export, of "today\n' + PLAIN.replace("i101", "#,i0\n\ni101") + "#end").encode(),
        {"comment": "#"},
    ),
    "preamble.csv": (f'Report of "today\n\n{PLAIN}'.encode(), {"skip": 2}),
    "rows.csv.gz": (gzip.compress(PLAIN.encode()), {}),
    "rows.csv.bz2": (bz2.compress(PLAIN.encode()), {}),
    "rows.csv.xz": (lzma.compress(PLAIN.encode()), {}),
    "rows.csv.zst": (pa.compress(PLAIN.encode(), codec="zstd", asbytes=True), {}),
    "packed.csv": (pa.compress(PLAIN.encode("utf-16"), codec="zstd", asbytes=True), {}),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_file_of_any_dialect_gives_the_same_rows(name: str, size: int, tmp_path: Path) -> None:
    contents, keys = FILES[name]
    (tmp_path / name).write_bytes(contents)
    assert read(tmp_path / name, size=size, **keys) == ROWS


CELL = st.text(st.sampled_from("ab:;|#é€ '"), min_size=1, max_size=5)
ENCODINGS = ["utf-8", "cp1252", "utf-16"]


@drawn()
@given(
    st.lists(st.tuples(CELL, CELL), max_size=20),
    st.integers(1, 60),
    st.sampled_from([";", "|", "::", ":", "€", "\t"]),
    st.sampled_from(ENCODINGS),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_file_of_any_dialect_cut_anywhere_has_the_rows_of_the_whole(
    cells: list[tuple[str, str]], size: int, delimiter: str, encoding: str, end: str
) -> None:
    text = "".join(f'"{a}"{delimiter}"{b}"{end}' for a, b in [("words", "bought"), *cells])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(text.encode(encoding))
        found = read(path, size=size, delimiter=delimiter, encoding=encoding, quote="double")
    assert found == [{"words": a, "bought": b} for a, b in cells]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_json_lines_and_texts_have_encodings_too(encoding: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(end.join(['{"words": "größer"}', '{"words": "€"}']).encode(encoding))
    assert read(path, "jsonl", 1, encoding=encoding) == [{"words": "größer"}, {"words": "€"}]
    path = tmp_path / "rows.txt"
    path.write_bytes(f"größer{end}als{end}{end}€".encode(encoding))
    found = [(row["words"].split(), row["file"]) for row in read(path, "text", 1, encoding=encoding)]
    assert found == [(["größer", "als"], "rows.txt"), (["€"], "rows.txt")]


@pytest.mark.parametrize(
    ("contents", "encoding", "message"),
    [
        ("words\n".encode("utf-16") + b"\x00\xd8a\x00\n\x00", "utf-8", "is not UTF-16-LE text"),
        (PLAIN.encode("utf-16-le"), "utf-8", r"UTF-16 text: set data\.source\.encoding: utf-16"),
        (b"PK\x03\x04rest", "utf-8", "a zip archive"),
    ],
)
def test_text_that_is_none_is_refused_with_the_cause(
    contents: bytes, encoding: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(contents)
    with pytest.raises(BrokenFile, match=rf"rows\.csv: .*{message}"):
        source("csv", path="x", encoding=encoding).columns(str(path), [])


def test_half_of_a_compressed_file_is_refused(tmp_path: Path) -> None:
    packed = pa.compress(PLAIN.encode() * 1000, codec="zstd", asbytes=True)
    path = tmp_path / "rows.csv.zst"
    path.write_bytes(packed[: len(packed) - 3])
    with pytest.raises(BrokenFile, match=r"rows\.csv\.zst: cannot be read.*Truncated"):
        read(path)


def data(name: str, **keys: Any) -> DataSpec:
    return DataSpec.model_validate(
        {
            "shape": "labelled",
            "source": {"kind": "csv", "path": name, **keys},
            "inputs": ["words", "viewed"],
            "label": "bought",
            "tokenizer": "none",
        }
    )


@pytest.mark.parametrize(
    ("name", "contents", "advice"),
    [
        (
            "rows.csv",
            "words;viewed;bought\na;b;c\nd;e;f\n",
            "looks semicolon-delimited: set data.source.delimiter: ';'",
        ),
        ("rows.csv", "words\tviewed\tbought\na\tb\tc\n", r'looks tab-delimited: set data.source.delimiter: "\t"'),
        ("rows.tsv", "words,viewed,bought\na,b,c\n", "looks comma-delimited: set data.source.delimiter: ','"),
        (
            "r.dat",
            "1::2::3::4\n5::6::7::8\n",
            "'::'-delimited: set data.source.delimiter: '::'; looks like a file with",
        ),
        ("r.csv", "i8,i2,L2\ni9,i2,L3\n", "its first row is 'i8, i2, L2': set data.source.header: false and"),
        ("r.csv", "query,page,label\na,b,c\n", "no column 'words' (there are: label, page, query)"),
    ],
)
def test_a_refusal_names_the_dialect_that_the_file_seems_to_have(
    name: str, contents: str, advice: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(contents)
    with pytest.raises(IngestError, match=re.escape(advice)):
        check_columns(data(name), [str(path)])


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"delimiter": ""}, r"source\.delimiter: '' cannot be one"),
        ({"delimiter": '"'}, r"source\.delimiter: '\"' cannot be one"),
        ({"delimiter": "#", "comment": "#"}, r"source\.delimiter and source\.comment: '#' cannot be both"),
        ({"comment": " "}, r"source\.comment: ' ' cannot be one"),
        ({"columns": ["a"]}, r"the header names the columns"),
        ({"header": False}, r"needs source\.columns"),
        ({"header": False, "columns": ["a", "b", "a"]}, r"source\.columns: 'a' stands twice"),
        ({"delimiter": "→", "encoding": "latin-1"}, r"the encoding latin-1 does not have '→'"),
        ({"skip": -1}, "greater than or equal to 0"),
        ({"encoding": "utf8"}, "'utf-8', 'latin-1', 'cp1252' or 'utf-16'"),
    ],
)
def test_keys_that_do_not_fit_are_refused(keys: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        source("csv", path="x", **keys)


def test_folders_of_partitions_are_columns(tmp_path: Path) -> None:
    for country, value in (("DE", "a"), ("F%20R", "b"), ("__HIVE_DEFAULT_PARTITION__", "c")):
        folder = tmp_path / f"country={country}"
        folder.mkdir()
        pq.write_table(pa.table({"words": [value]}), folder / "part.parquet")
    of = source("parquet", path=str(tmp_path))
    files = of.files(*of.place(Path()))
    ranges = [one for file in files for one in of.ranges(file)]
    rows: list[Any] = [row for one in ranges for _, row in of.read(one, ["words", "country"], Lines())]
    assert sorted((row["words"], row["country"]) for row in rows if row["country"]) == [("a", "DE"), ("b", "F R")]
    assert [row["words"] for row in rows if row["country"] is None] == ["c"]
    assert of.all_columns(files[0], ["words"]) == ["words", "country"]
    # Columns that are not used are not added, and a column of the row has precedence.
    [(_, row)] = of.read(next(of.ranges(files[0])), ["words"], Lines())
    assert list(row) == ["words"]
    (tmp_path / "country=DE" / "rows.csv").write_text("words,country\na,AT\n")
    assert read(tmp_path / "country=DE" / "rows.csv") == [{"words": "a", "country": "AT"}]
