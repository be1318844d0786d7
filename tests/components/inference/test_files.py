"""Tests of the files of rows: their list, the check of them, and their fingerprint."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from components.inference.errors import PredictError
from components.inference.files import checked, files_of, fingerprint
from components.inference.node import BulkInferrerNode
from components.inference.spec import InferenceSpec
from components.ingest.spec import DataSpec

DATA: dict[str, Any] = {
    "shape": "labelled",
    "source": {"kind": "csv", "path": "rows.csv"},
    "inputs": ["viewed"],
    "label": "bought",
    "tokenizer": "none",
}


def data(**changes: Any) -> DataSpec:
    return DataSpec.model_validate(DATA | changes)


def check(path: Path, keep: list[str] | None = None, **changes: Any) -> list[str]:
    return checked(InferenceSpec(path=str(path), keep=keep or []), data(**changes), print)


def test_a_folder_has_the_files_of_all_kinds_and_a_pattern_those_that_match(tmp_path: Path) -> None:
    for name in ("b.csv", "a.jsonl", "c.tsv.gz", "_log.csv", ".hidden.csv", "country=DE/d.csv", "LICENSE"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("viewed\na\n")
    (tmp_path / "empty.csv").touch()
    found = [str(Path(file).relative_to(tmp_path)) for file in files_of(str(tmp_path), data().source)]
    assert found == ["a.jsonl", "b.csv", "c.tsv.gz", "country=DE/d.csv"]
    assert files_of(f"{tmp_path}/*.csv", data().source) == [f"{tmp_path}/b.csv"]
    assert files_of(f"{tmp_path}/LICENSE", data().source) == [f"{tmp_path}/LICENSE"]


def test_a_delta_table_has_the_files_of_its_newest_version(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    actions: list[dict[str, Any]] = []
    for number, name in enumerate(("old", "new")):
        pq.write_table(pa.table({"viewed": ["a"]}), tmp_path / f"{name}.parquet")
        add = {"path": f"{name}.parquet", "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True}
        actions = [{"remove": {"path": "old.parquet", "dataChange": True}}] if number else []
        lines = "".join(json.dumps(action) + "\n" for action in [*actions, {"add": add}])
        (tmp_path / "_delta_log" / f"{number:020d}.json").write_text(lines)
    assert files_of(str(tmp_path), data().source) == [f"{tmp_path}/new.parquet"]


def test_the_fingerprint_is_of_names_and_contents(tmp_path: Path) -> None:
    file, seen = tmp_path / "a.csv", set()
    for name, text in (("a.csv", "viewed\na\n"), ("a.csv", "viewed\nb\n"), ("b.csv", "viewed\na\n")):
        (tmp_path / name).write_text(text)
        seen.add(fingerprint(str(tmp_path), data().source))
    assert len(seen) == 3
    before = fingerprint(str(file), data().source)
    file.write_text(file.read_text())
    assert fingerprint(str(file), data().source) == before


@pytest.mark.parametrize(
    ("name", "text", "keep", "changes", "fault"),
    [
        ("rows.csv", "viewd\na\n", [], {}, "{path}: no column 'viewed'; did you mean 'viewd'?"),
        ("rows.csv", "viewed\na\n", ["user"], {}, "{path}: no column 'user'"),
        ("rows.csv", "viewed\na\n", ["labels"], {}, "inference.keep: labels: the answers have a column of this name"),
        ("rows.csv", "", [], {}, "inference.path: the file is empty: {path}"),
        ("row.csv", "viewed\na\n", [], {}, "did you mean 'row.csv'?"),
        (
            "rows.csv",
            "user,viewed\nu1,a\n",
            [],
            {"shape": "events", "label": None, "group_by": ["user"]},
            "{path}: a row is one event, and only `bigvocab predict --input` joins the events of a group.",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(
    tmp_path: Path, name: str, text: str, keep: list[str], changes: dict[str, Any], fault: str
) -> None:
    (tmp_path / name).write_text(text)
    path = tmp_path / "rows.csv"
    with pytest.raises(PredictError) as raised:
        check(path, keep, **changes)
    assert fault.format(path=path) in str(raised.value)
    specs: Any = SimpleNamespace(inference=InferenceSpec(path=str(path), keep=keep), data=data(**changes))
    with pytest.raises(ValueError) as earlier:  # noqa: PT011  the same text
        BulkInferrerNode().prepare(specs)
    assert str(earlier.value) == str(raised.value)


def test_rows_that_list_the_events_of_a_group_are_taken(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"user": "u1", "viewed": ["a", "b"]}\n')
    assert check(rows, shape="events", label=None, group_by=["user"]) == [str(rows)]


def test_all_faulty_files_are_named(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text("viewed\na\n" if name == "b" else "item\na\n")
    with pytest.raises(PredictError) as raised:
        check(tmp_path)
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == [f"{tmp_path}/{n}.csv" for n in "ac"]


def test_without_rows_the_node_is_not_in_the_dag() -> None:
    specs: Any = SimpleNamespace(inference=InferenceSpec())
    assert not BulkInferrerNode().present(specs)
    BulkInferrerNode().prepare(specs)
    with pytest.raises(ValidationError, match="keep, top and chosen need inference.path"):
        InferenceSpec(keep=["user"])
