"""Tests of each kind of source on the same real paragraphs."""

from __future__ import annotations

import csv
import datetime
import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.ingest.errors import BrokenFile
from components.ingest.rows.columns import RowReader
from components.ingest.rows.tokenize import tokenize
from components.ingest.sources.base import Lines
from components.ingest.spec import DataSpec, FeatureSpec
from tests.components.ingest.conftest import Ingest
from tests.components.ingest.sources.helpers import source

pytestmark = pytest.mark.slow

YEAR = 1946


def spec(kind: str, path: str, **changes: Any) -> DataSpec:
    return DataSpec.model_validate(
        {
            "shape": "sequence",
            "source": {"kind": kind, "path": path},
            "inputs": ["words"],
            "features": {"year": FeatureSpec(kind="number")},
            "slices": ["part"],
            "splits": {"train": 2, "eval": 1, "test": 1},
            **changes,
        }
    )


def write_csv(path: Path, paragraphs: list[str]) -> None:
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["part", "words", "year"])
        # Line breaks inside a cell are part of the format.
        writer.writerows(["first", text.replace(", ", ",\n"), YEAR] for text in paragraphs)


def write_jsonl(path: Path, paragraphs: list[str]) -> None:
    rows = [{"words": text, "year": YEAR, "part": "first"} for text in paragraphs]
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as stream:
        stream.write("\n".join(json.dumps(row) for row in rows))


def write_parquet(path: Path, paragraphs: list[str]) -> None:
    rows = len(paragraphs)
    pq.write_table(
        pa.table({"words": paragraphs, "year": [YEAR] * rows, "part": ["first"] * rows}), path, row_group_size=50
    )


def write_tfrecord(path: Path, paragraphs: list[str]) -> None:
    options = tf.io.TFRecordOptions("GZIP" if path.suffix == ".gz" else "")
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for text in paragraphs:
            example = tf.train.Example()
            example.features.feature["words"].bytes_list.value.append(text.encode())
            example.features.feature["year"].int64_list.value.append(YEAR)
            example.features.feature["part"].bytes_list.value.append(b"first")
            writer.write(example.SerializeToString())


WRITERS = {
    ("csv", "rows.csv"): write_csv,
    ("csv", "rows.csv.gz"): write_csv,
    ("jsonl", "rows.jsonl"): write_jsonl,
    ("jsonl", "rows.jsonl.gz"): write_jsonl,
    ("parquet", "rows.parquet"): write_parquet,
    ("tfrecord", "rows.tfrecord"): write_tfrecord,
    ("tfrecord", "rows.tfrecord.gz"): write_tfrecord,
}


@pytest.mark.parametrize(("kind", "name"), list(WRITERS))
def test_rows_arrive_whole(kind: str, name: str, tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    WRITERS[kind, name](tmp_path / name, paragraphs)
    found = ingest(spec(kind, name))
    tokens = [tokenize(text, "words", lowercase=True) for text in paragraphs]
    wanted = Counter(" ".join(t) for t in tokens if len(t) >= 2)
    rows = found.all_rows()
    assert Counter(" ".join(row["words"]) for row in rows) == wanted
    assert all(row["year"] == [YEAR] and row["part"] == ["first"] for row in rows)
    counts = found.counts()
    assert counts["read"] == len(paragraphs)
    assert counts["short"] == len(paragraphs) - wanted.total()
    assert counts["bad"] == {}
    assert counts["rows"] == {split: len(found.rows(split)) for split in ("train", "eval", "test")}


@pytest.mark.parametrize("name", ["speech.txt", "speech.txt.gz"])
def test_paragraphs_of_text(name: str, tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    text = " \n\r\n\n".join(p.replace(", ", ",\r\n") for p in paragraphs)
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    found = ingest(spec("text", ".", features={}, slices=["file"], inputs=["words"]))
    wanted = Counter(" ".join(tokenize(p, "words", lowercase=True)) for p in paragraphs)
    rows = found.all_rows()
    assert Counter(" ".join(row["words"]) for row in rows) == Counter({k: n for k, n in wanted.items() if " " in k})
    assert all(row["file"] == [name] for row in rows)


def test_lists_stay_lists(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    lists = [text.split() for text in paragraphs if len(text.split()) > 1]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"words": words}) for words in lists))
    pq.write_table(pa.table({"words": lists}), tmp_path / "rows.parquet")
    changes = {"tokenizer": "none", "features": {}, "slices": []}
    for kind in ("jsonl", "parquet"):
        rows = ingest(spec(kind, f"rows.{kind}", **changes), name=kind).all_rows()
        assert Counter(tuple(row["words"]) for row in rows) == Counter(map(tuple, lists))


def test_labelled_rows(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    words = [w for text in paragraphs for w in text.split()][:3000]
    rows = [(a, b, c) for a, b, c in zip(words, words[1:], words[2:], strict=False)]
    with (tmp_path / "rows.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("first", "second", "next"), *rows])
    data = spec(
        "csv", "rows.csv", shape="labelled", inputs=["first", "second"], label="next",
        tokenizer="none", features={}, slices=[],
    )  # fmt: skip
    found = Counter((*r["first"], *r["second"], *r["next"]) for r in ingest(data).all_rows())
    assert found == Counter(rows)


COLUMNS: dict[str, tuple[pa.Array, list[Any]]] = {
    "list": (pa.array([["a", "b"], None]), [["a", "b"], []]),
    "dictionary": (pa.array(["a", None]).dictionary_encode(), [["a"], []]),
    "binary": (pa.array([b"a", None]), [["a"], []]),
    "date": (pa.array([datetime.date(2024, 2, 1), None]), [["2024-02-01"], []]),
    "decimal": (pa.array([Decimal("1.50"), None]), [["1.5"], []]),
    "integers with nulls": (pa.array([3.0, None]), [["3"], []]),
    "float16": (pa.array([3.5, None]).cast(pa.float16()), [["3.5"], []]),
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), [["18446744073709551615"], []]),
}


def read(path: Path, *columns: str) -> list[Any]:
    of = source("parquet", path="x")
    return [row for one in of.ranges(str(path)) for _, row in of.rows(one, columns, Lines())]


@pytest.mark.parametrize("name", COLUMNS)
def test_types_of_parquet_are_tokens(name: str, tmp_path: Path) -> None:
    column, tokens = COLUMNS[name]
    pq.write_table(pa.table({"first": column, "second": ["x", "x"]}), tmp_path / "rows.parquet")
    shape = {"shape": "labelled", "inputs": ["first", "second"], "label": "next", "tokenizer": "none"}
    reader = RowReader(spec("parquet", "x", **shape, features={}, slices=[]), labelled=False)
    assert [reader(row)["first"] for row in read(tmp_path / "rows.parquet", "first", "second")] == tokens


def test_a_date_that_python_cannot_hold_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"words": ["a"], "day": pa.array([10**7], pa.date32())}), path)
    assert read(path, "words") == [{"words": "a"}]
    with pytest.raises(BrokenFile, match=r"rows\.parquet: rows 1 to 1: column 'day' has a value .*: write it as text"):
        read(path, "words", "day")
