"""Tests of the command `schema`, without its nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import main
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
