"""Tests of the command `schema`, without its nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.ingest.sources.registry import spec_of
from pipeline.cli import main
from pipeline.cli.setup.schema import dialect
from pipeline.execution import runner
from pipeline.execution.node import Outcome


@pytest.mark.slow
def test_a_column_that_is_empty_everywhere_is_reported_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from components.data_validation import infer

    class Statistics:
        uri = ""

    def walk(*_: object) -> tuple[list[Outcome], None]:
        return [Outcome("StatisticsGen", 0.0, False, {"statistics": [Statistics()]})], None  # pyright: ignore[reportArgumentType]

    def no_values(*_: object) -> None:
        raise infer.NoValues("data: no row has a value in column 'size'")

    monkeypatch.setattr(runner, "walk", walk)
    monkeypatch.setattr(infer, "infer_schema", no_values)
    output = tmp_path / "schema.pbtxt"
    assert main(["schema", "--root", str(tmp_path / "runs"), "-o", str(output)]) == 1
    out, err = capfd.readouterr()
    assert err == ""
    assert out.endswith("\nNo schema was written. data: no row has a value in column 'size'\n")
    assert not output.exists()


@pytest.mark.parametrize(
    ("name", "text", "keys", "line"),
    [
        ("a.csv", "x,y\na,1\n", {}, "the defaults. Configured: the defaults."),
        (
            "a.csv",
            "straße;y\na;1\nb;2\n",
            {"delimiter": ";", "encoding": "latin-1"},
            'encoding: "cp1252", delimiter: ";". Configured: encoding: "latin-1", delimiter: ";".',
        ),
        (
            "a.tsv",
            "1\ta\n2\tb\n",
            {"header": False, "columns": ["n", "x"]},
            'header: false, columns: ["c1", "c2"]. Configured: header: false, columns: ["n", "x"].',
        ),
        ("a.txt", "one\ntwo\n", {}, 'rows: "line". Configured: the defaults.'),
    ],
)
def test_the_detected_dialect_stands_beside_the_configured_one(
    name: str, text: str, keys: dict[str, Any], line: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="cp1252")
    kind = "text" if name.endswith(".txt") else "csv"
    assert [*dialect(spec_of({"kind": kind, "path": str(file), **keys}))] == [f"Dialect of {file}: {line}"]
    file.unlink()
    assert [*dialect(spec_of({"kind": kind, "path": str(file), **keys}))] == []


def test_files_without_text_have_no_dialect(tmp_path: Path) -> None:
    assert [*dialect(spec_of({"kind": "parquet", "path": str(tmp_path / "a.parquet")}))] == []
