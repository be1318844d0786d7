"""Tests of rows read as tables: they give the same records and counts as rows read one by one."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.counts import Counts
from components.ingest.rows.shards import RangeReader, Shard, examples_of
from components.ingest.sources.base import Table
from components.ingest.sources.files.ranges import Lines, Range
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec
from tests.drawing import drawn

CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "a", "B b", " a  b\t", "a\x1cb", "é É", "NA", "-", "3.0", "-7.0", "['a', 'b']", "a|b|", "[1, 2]",
         r'["\ud800"]', "1.5", "+3", "007", "1e9", "1e39", "1e400", "-0", ".5", "1.", "nan", "inf", "1_0", " 2 ", "0x1"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=4),
)  # fmt: skip
LABELLED: dict[str, Any] = {
    "shape": "labelled",
    "inputs": ["items", "words"],
    "label": "label",
    "features": {"price": {"kind": "number"}, "shop": {"kind": "category"}},
    "slices": ["day"],
}
COLUMNS = ("items", "words", "label", "price", "shop", "day")
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "words": {},
    "whitespace": {"tokenizer": "whitespace"},
    "cased": {"tokenizer": "whitespace", "lowercase": False},
    "characters": {"tokenizer": "characters"},
    "none": {"tokenizer": "none"},
    "lists": {"tokenizer": "none", "separator": "|", "whole_numbers": True},
    "missing": {
        "missing": ["NA", "-"],
        "features": {
            "price": {"kind": "number", "missing": ["-", "1.5"], "if_missing": "drop"},
            "shop": {"kind": "category", "missing": []},
        },
        "targets": {"day": {"kind": "category", "if_missing": "drop"}},
    },
    "number": {"label_kind": "number", "label": "price", "features": {"label": {"kind": "category"}}},
    "several": {"label_kind": "classes", "label_separator": "|", "missing": ["NA"]},
    "groups": {"split_by": ["shop", "day"], "share": 0.5},
    "sequence": {"shape": "sequence", "inputs": ["words"], "label": None, "features": {}},
    "tokens": {
        "shape": "sequence",
        "inputs": ["words"],
        "label": None,
        "tokenizer": "none",
        "separator": "|",
        "features": {},
        "token_features": {"price": {"kind": "number"}, "shop": {"kind": "category"}},
    },
    "weights": {"features": {"shop": {"kind": "category"}}, "weight": "price"},
    "weights of tokens": {
        "shape": "sequence",
        "inputs": ["words"],
        "label": None,
        "tokenizer": "none",
        "separator": "|",
        "features": {},
        "weight": "price",
    },
    "labelled tokens": {
        "inputs": ["items"],
        "tokenizer": "none",
        "features": {},
        "token_features": {"price": {"kind": "number"}, "shop": {"kind": "category", "missing": ["a"]}},
    },
}


def spec(name: str, **source: Any) -> DataSpec:
    return DataSpec.model_validate({**LABELLED, **CONFIGURATIONS[name], "source": source})


def read(data: DataSpec, file: Path, tables: bool) -> tuple[Counts, dict[Shard, list[bytes]]]:
    """Return the counts and the Examples of a file, which is read as tables or row by row."""
    reader = RangeReader(data, {"train": 2, "eval": 1, "test": 1}, str(file.parent))
    if not tables:
        reader._tables = None
    counts, pieces = reader(Range(str(file)))
    by_shard: dict[Shard, list[Any]] = {}
    for shard, piece in pieces:
        by_shard.setdefault(shard, []).append(piece)
    counts.columns = set()  # Other columns, of which a table has none, are only for messages.
    return counts, {shard: examples_of(of_shard) for shard, of_shard in by_shard.items()}


@pytest.mark.parametrize("name", CONFIGURATIONS)
@drawn(20)
@given(rows=st.lists(st.tuples(*[CELLS] * len(COLUMNS)), min_size=1, max_size=6))
def test_records_and_counts_are_those_of_single_rows(name: str, rows: list[Sequence[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.parquet")
        columns = {column: [row[n] for row in rows] for n, column in enumerate(COLUMNS)}
        pq.write_table(pa.table(columns), file)
        data = spec(name, kind="parquet", path=str(file))
        assert read(data, file, tables=True) == read(data, file, tables=False)


TYPES = {
    "integers": pa.array([1, None, 9007199254740993, -5], pa.int64()),
    "floats": pa.array([1.0, None, 0.1, float("nan")], pa.float64()),
    "small floats": pa.array([1.0, None, 0.1, 3e38], pa.float32()),
    "half floats": pa.array(np.array([1.0, 2.5, np.nan, 6.0], np.float16)),
    "infinite": pa.array([1.0, float("inf"), 0.1, 1e300], pa.float64()),
    "decimals": pa.array([Decimal("1.50"), None, Decimal("2.00"), Decimal("1e30")], pa.decimal256(60, 2)),
    "Booleans": pa.array([True, None, False, True]),
    "days": pa.array([datetime.date(2024, 2, n + 1) for n in range(4)]),
    "times": pa.array([datetime.datetime(2024, 2, n + 1, 5) for n in range(4)], pa.timestamp("ms")),
    "bytes": pa.array([b"a", None, b"\xff", b"1.5"]),
    "texts": pa.array(["1.5", None, "", "a"], pa.large_string()),
    "categories": pa.array(["1.5", None, "", "2"]).dictionary_encode(),
    "lists": pa.array([["a", "b"], None, [], ["c"]]),
    "lists with gaps": pa.array([["a", None], [""], ["b"], ["c", "d"]]),
    "lists of integers": pa.array([[1, 2], [], None, [3]]),
    "one in a list": pa.array([["1"], ["2"], [], ["3"]]),
}


@pytest.mark.parametrize(
    "name",
    [
        "none", "number", "missing", "several", "sequence", "tokens", "labelled tokens", "weights", "weights of tokens",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", TYPES)
def test_columns_of_any_type_are_those_of_single_rows(name: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    # Two of each row: the second row group begins within the arrays.
    pq.write_table(pa.table(dict.fromkeys(COLUMNS, pa.concat_arrays([TYPES[kind]] * 2))), file, row_group_size=3)
    data = spec(name, kind="parquet", path=str(file))
    assert read(data, file, tables=True) == read(data, file, tables=False)


@drawn(50)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "b"]), max_size=3),
            st.none() | st.lists(st.none() | st.floats(width=32, allow_infinity=False), max_size=3),
            st.none() | st.lists(st.sampled_from([None, "", "a", "x y"]), max_size=3),
            st.sampled_from(["yes", "no", None]),
        ),
        min_size=1,
        max_size=6,
    )
)
@pytest.mark.parametrize("name", ["tokens", "labelled tokens"])
def test_lists_of_token_features_are_those_of_single_rows(name: str, rows: list[tuple[Any, ...]]) -> None:
    items, prices, shops, labels = zip(*rows, strict=True)
    table = {
        **dict.fromkeys(("items", "words"), pa.array(items, pa.list_(pa.string()))),
        "price": pa.array(prices, pa.list_(pa.float64())),
        "shop": pa.array(shops, pa.list_(pa.string())),
        **dict.fromkeys(("label", "day"), pa.array(labels, pa.string())),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.parquet")
        pq.write_table(pa.table(table), file)
        data = spec(name, kind="parquet", path=str(file))
        assert read(data, file, tables=True) == read(data, file, tables=False)


@drawn(100)
@given(
    st.lists(
        st.sampled_from(["a", ",", "\n", '"', "\r\n", "\r", " ", '"a,b"', "1.5", "a,b,c\n", "b,1,x\n", "é", "\ufeff"])
    )
)
def test_delimited_text_has_the_rows_of_single_records(parts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.csv")
        file.write_bytes(b"words,price,shop\n" + "".join(parts).encode())
        data = spec("sequence", kind="csv", path=str(file))
        found, lines = [], (Lines(), Lines())
        source, used = source_of(data.source), ["words", "shop"]
        for block in source.read_blocks(Range(str(file)), used, lines[0]):
            found += block.numbered() if isinstance(block, Table) else block
        expected = list(source.read(Range(str(file)), used, lines[1]))
        assert [line for line, _ in found] == [line for line, _ in expected]
        for (_, row), (_, single) in zip(found, expected, strict=True):
            assert str(row) == str(single) or (isinstance(single, dict) and {k: single[k] for k in used} == row)
        assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("text", "is_table"),
    [
        ("words,shop\na b,x\nc d,y\n", True),
        ("words,shop\r\na b,x\r\nc d,y", True),
        ('words,shop\n"a, b",x\n"c ""d""",y\n', True),
        ("words,shop\na b,x\n\nc d,y\n", False),
        ('words,shop\n"a\nb",x\n', False),
        ("words,shop\na b,x,z\nc d,y\n", False),
        ("words,shop\na b,x\nwords,shop\n", False),
    ],
)
def test_well_formed_text_is_read_as_tables(text: str, is_table: bool, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(text.encode())
    source = source_of(spec("sequence", kind="csv", path=str(tmp_path / "rows.csv")).source)
    found = 0
    for block in source.read_blocks(Range(str(tmp_path / "rows.csv")), ["words", "shop"], Lines()):
        found += isinstance(block, Table) or 0 * len(list(block))
    assert (found > 0) == is_table


def test_a_folder_names_a_column_of_a_table(tmp_path: Path) -> None:
    file = tmp_path / "shop=a" / "rows.csv"
    file.parent.mkdir()
    file.write_text("words\na b\nc d\n")
    source = source_of(spec("sequence", kind="csv", path=str(file)).source)
    blocks = source.read_blocks(Range(str(file)), ["words", "shop"], Lines())
    (table,) = [block for block in blocks if isinstance(block, Table) or list(block)]
    assert isinstance(table, Table)
    assert list(table.numbered()) == [(2, {"words": "a b", "shop": "a"}), (3, {"words": "c d", "shop": "a"})]
