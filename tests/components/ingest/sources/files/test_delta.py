"""Tests of table folders that also contain older versions of their rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingest.errors import IngestError
from tests.components.ingest.sources.helpers import files_of


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "_delta_log").mkdir()
    for name in ("a", "b", "c", "day=1 2/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"words": [name]}), tmp_path / f"{name}.parquet")
    return tmp_path


def commit(table: Path, version: int, *actions: dict[str, Any]) -> None:
    lines = [json.dumps({"commitInfo": {}}), *map(json.dumps, actions)]
    (table / "_delta_log" / f"{version:020}.json").write_text("\n".join(lines) + "\n")


def add(path: str, **more: Any) -> dict[str, Any]:
    return {"add": {"path": path, "size": 1, **more}}


def remove(path: str) -> dict[str, Any]:
    return {"remove": {"path": path}}


def found(table: Path) -> list[str]:
    return [str(Path(f).relative_to(table)) for f in files_of("parquet", str(table), Path("/"))]


def test_files_of_older_versions_are_not_read(table: Path) -> None:
    commit(table, 0, add("a.parquet"), add("b.parquet"))
    commit(table, 1, remove("a.parquet"), add("day=1%202/d.parquet"))
    assert found(table) == ["b.parquet", "day=1 2/d.parquet"]


def test_a_checkpoint_stands_for_the_versions_before_it(table: Path) -> None:
    rows = [{"add": {"path": "b.parquet"}, "remove": None}, {"add": None, "remove": {"path": "a.parquet"}}]
    pq.write_table(pa.Table.from_pylist(rows), table / "_delta_log" / f"{7:020}.checkpoint.parquet")
    commit(table, 7, add("a.parquet"))
    commit(table, 8, add("c.parquet"))
    assert found(table) == ["b.parquet", "c.parquet"]


def test_what_cannot_be_known_is_refused(table: Path) -> None:
    commit(table, 1, add("a.parquet"))
    with pytest.raises(IngestError, match="is not complete"):
        found(table)
    commit(table, 0, add("b.parquet", deletionVector={"storageType": "u"}))
    with pytest.raises(IngestError, match=r"1 files .* hold deleted rows .* b\.parquet"):
        found(table)


@pytest.mark.parametrize(("name", "kind"), [(".hoodie/x", "Hudi"), ("metadata/version-hint.text", "Iceberg")])
def test_tables_of_other_kinds_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("1")
    pq.write_table(pa.table({"words": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(IngestError, match=f"a table of {kind}"):
        found(tmp_path)
