"""Tests of labels that are lists: their detection in the first rows, and the keys that fit several labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingest.spec import DataSpec
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import load, loads

ONE, SEVERAL = {"text": "a", "bought": ["x"]}, {"text": "b", "bought": ["x", "y"]}


def configuration(folder: Path, path: str, *more: str, label: str = "bought", kind: str = "jsonl") -> Path:
    """Write a configuration of labelled rows, and return its file."""
    file = folder / "mine.yaml"
    source = f"{{kind: {kind}, path: {path}}}"
    keys = f"shape: labelled, source: {source}, inputs: [text], label: {label}"
    file.write_text(f"name: mine\ndata: {{{', '.join([keys, *more])}}}\n")
    return file


def write(folder: Path, *rows: dict[str, Any], name: str = "rows.jsonl") -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([ONE, SEVERAL], "classes"),
        ([ONE, ONE], "class"),
        ([ONE, {"text": "c", "bought": ["x", "x"]}], "class"),
        ([{"text": "a", "bought": "x"}], "class"),
        ([{"text": "a", "bought": '["x"]'}, {"text": "b", "bought": "['x', 'y']"}], "classes"),
        ([{"text": "a", "bought": "['x', 'y']"}, {"text": "b", "bought": "x"}], "class"),
        ([ONE] * 1_000 + [SEVERAL], "class"),
    ],
)
def test_the_first_rows_decide(tmp_path: Path, rows: list[dict[str, Any]], kind: str) -> None:
    write(tmp_path, *rows)
    assert load(str(configuration(tmp_path, "rows.jsonl"))).data.label_kind == kind


def test_a_folder_of_parquet_files_is_read(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    pq.write_table(pa.table({"text": ["a", "b"], "bought": [["x"], ["x", "y"]]}), tmp_path / "rows/1.parquet")
    assert load(str(configuration(tmp_path, "rows", kind="parquet"))).data.label_kind == "classes"


def test_a_line_with_several_labels_becomes_one_row(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("__label__a words\n__label__a __label__b more words\n")
    data = load(str(configuration(tmp_path, "rows.txt", kind="fasttext", label="label"))).data
    assert (data.label_kind, data.source.model_dump()["several"]) == ("classes", "list")
    file = configuration(tmp_path, "rows.txt", kind="fasttext, several: rows", label="label")
    assert load(str(file)).data.label_kind == "class"


def test_the_configuration_decides_before_the_rows(tmp_path: Path) -> None:
    write(tmp_path, SEVERAL)
    assert load(str(configuration(tmp_path, "rows.jsonl", "label_kind: class"))).data.label_kind == "class"
    assert load(str(configuration(tmp_path, "none.jsonl"))).data.label_kind == "class"
    assert load(str(configuration(tmp_path, "none.jsonl", "label_separator: '|'"))).data.several_labels


def test_the_message_of_a_fault_says_where_several_labels_were_found(tmp_path: Path) -> None:
    write(tmp_path, ONE, SEVERAL)
    file = configuration(tmp_path, "rows.jsonl", "splits: {leave_out: 1}")
    with pytest.raises(ConfigurationError) as error:
        load(str(file), ["trainer.head.mixture=ngrams"])
    assert "data.splits.leave_out" in str(error.value)
    with pytest.raises(ConfigurationError) as error:
        load(str(configuration(tmp_path, "rows.jsonl")), ["trainer.head.mixture=ngrams"])
    assert "trainer.head.mixture: needs one label per row" in str(error.value)


KEYS = "name: mine\ndata: {shape: labelled, source: {kind: csv, path: /rows.csv}, inputs: [a], label: b"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (
            f"{KEYS}, label_kind: classes}}\ntrainer: {{head: {{mixture: ngrams}}}}\nevaluation: {{exclude_seen: true, "
            "beat: [bigram]}",
            ("trainer.head.mixture", "evaluation.exclude_seen", "evaluation.beat: 'bigram'"),
        ),
        (f"{KEYS}}}\ntrainer: {{head: {{loss: sigmoid}}}}", ("set data.label_kind: classes",)),
        (f"{KEYS}, label_kind: class, label_separator: ','}}", ("data.label_separator needs",)),
        (
            KEYS.replace("labelled", "sequence").replace(", label: b", "") + ", label_separator: ','}",
            ("data.label_kind 'classes' needs shape 'labelled'",),
        ),
        (
            KEYS.replace("kind: csv", "kind: fasttext, several: first") + ", label_kind: classes}",
            ("data.source.several: 'first' leaves one label in a row",),
        ),
        (KEYS.replace("kind: csv", "kind: fasttext, several: list") + "}", ("'list' needs data.label_kind",)),
    ],
)
def test_keys_that_do_not_fit_are_named_at_once(text: str, faults: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as error:
        loads(text)
    for fault in faults:
        assert fault in str(error.value)


def test_several_labels_stay_through_json() -> None:
    config = loads(f"{KEYS}, label_separator: '|'}}\ntrainer: {{head: {{loss: sigmoid}}}}")
    again = DataSpec.model_validate_json(config.data.model_dump_json())
    assert again == config.data
    assert (again.label_kind, again.label_separator) == ("classes", "|")
