"""Tests of the kinds of sources, and of the selection of a source for a file of `predict`."""

from __future__ import annotations

import pytest

from components.ingest.sources.registry import KINDS, spec_of_file
from components.ingest.spec import DataSpec
from tests.components.ingest.sources.helpers import source

_PATHS = ("text", "fasttext", "svmlight", "csv", "jsonl", "parquet", "tfrecord")
OWN = {"sotu": {}, "tafeng": {}, **{kind: {"path": "x"} for kind in _PATHS}}


@pytest.mark.parametrize(
    ("file", "head", "by_model"),
    [
        ("rows.csv", b'{"a": 1}', dict.fromkeys(OWN, "csv")),
        ("rows.TSV.gz", b"\x1f\x8b", dict.fromkeys(OWN, "csv")),
        ("rows.json", b"[", dict.fromkeys(OWN, "jsonl")),
        ("rows", b' [\n {"a": 1}', dict.fromkeys(OWN, "jsonl")),
        ("rows.pq", b"x", dict.fromkeys(OWN, "parquet")),
        ("rows.csv", b"PAR1", dict.fromkeys(OWN, "parquet")),
        ("rows.tfrecord", b"{", dict.fromkeys(OWN, "tfrecord")),
        ("rows.txt", b"the state", {**dict.fromkeys(OWN, "text"), "fasttext": "fasttext", "svmlight": "svmlight"}),
        ("rows.txt", b"7,12 3:0.5 18:1\n", dict.fromkeys(OWN, "svmlight")),
        ("rows.txt", b"__label__a words", dict.fromkeys(OWN, "fasttext")),
        ("rows.txt", b'\xef\xbb\xbf {"a"', dict.fromkeys(OWN, "jsonl")),
        ("rows", b" \n", dict.fromkeys(OWN, "jsonl")),
        (
            "part-00000",
            b"a,b",
            {
                "sotu": "jsonl",
                "tafeng": "jsonl",
                "text": "text",
                "fasttext": "fasttext",
                "svmlight": "svmlight",
                "csv": "csv",
                "jsonl": "jsonl",
                "parquet": "jsonl",
                "tfrecord": "tfrecord",
            },
        ),
    ],
)
def test_name_and_content_decide_which_kind_reads_a_file(file: str, head: bytes, by_model: dict[str, str]) -> None:
    assert {kind: spec_of_file(file, head, source(kind, **OWN[kind]).spec).kind for kind in OWN} == by_model


def test_a_file_of_the_models_kind_is_read_with_its_keys() -> None:
    spec = source("csv", path="x", quote="none").spec
    assert spec_of_file("new.csv", b"a,b", spec) == spec.model_copy(update={"path": "new.csv"})


def test_a_key_of_another_kind_is_refused_unless_it_has_no_value() -> None:
    """Check models exported before each kind had its own keys: their specs have the keys of all kinds."""
    keys = {"path": "x", "spans": None, "quote": None, "escape": None}
    for kind in KINDS.own.keys() - {"sotu", "tafeng", "sql"}:
        data = {"shape": "sequence", "source": {"kind": kind, **keys}, "inputs": ["words"]}
        assert DataSpec.model_validate(data).source.kind == kind
    for kind, key, value in (("jsonl", "quote", "none"), ("text", "escape", "\\"), ("csv", "spans", "decades")):
        data = {"shape": "sequence", "source": {"kind": kind, "path": "x", key: value}, "inputs": ["words"]}
        owner = {"spans": "sotu"}.get(key, "csv")
        with pytest.raises(ValueError, match=rf"source\.{key}.* of kind '{owner}'"):
            DataSpec.model_validate(data)
