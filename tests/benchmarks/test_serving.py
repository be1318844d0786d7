"""Tests of the benchmark of `bigvocab serve`. The whole one starts the command, and asks it from other processes."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from benchmarks.commands.answers import serving
from benchmarks.commands.common import BenchError
from benchmarks.harness.machine import this_machine
from benchmarks.serving import measure
from benchmarks.serving.measure import BOUNDS, CLIENTS, WRONG_EVERY, Answered, Memory, Results, lines
from tests.components.serving import planted_model


def test_the_figures_and_their_bounds() -> None:
    found = Results(this_machine(), "model", memory=Memory(100_000, 2_000, 500 << 20, 530 << 20))
    found.found = [
        Answered(1, 1, 100, None, 1.0, 9.0, 12.5, 4.0),
        Answered(1, 50, 700, None, 2.0, 9.0, 60.0, 4.0),
        Answered(64, 4, 10, None, 2.0, 9.0, 60.0, 4.0),
        Answered(1, 50, 200, 100, 2.0, 9.0, 51.0, 4.0),
    ]
    assert [bound.measured(found) for bound in BOUNDS] == [350, 51.0, pytest.approx(1.06)]
    assert [bound.missed(found) for bound in BOUNDS] == [False, True, True]
    text = "\n".join(lines(found))
    assert re.search(r"\| 64 +\| +4 \| no limit \| +5 \| +320 \| +9.0 \| +60.0 \| +4.0 \|", text)
    assert "2,000 of them malformed and refused: 500 and 530 MiB" in text


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--seconds"):
        serving(tmp_path, 0, 100, 0, False, io.StringIO())


@pytest.mark.slow
def test_the_command_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = ((1, 2), (8, 2))
    monkeypatch.setattr(measure, "LOADS", loads)
    planted_model.export(tmp_path / "serving" / "1")
    out, file = io.StringIO(), tmp_path / "figures.json"
    assert serving(tmp_path, 0.05, 100, 300, False, out, file) == 0, out.getvalue()
    found = json.loads(file.read_text())
    assert [(each["rows"], each["clients"]) for each in found["found"]] == [*loads, (1, CLIENTS)]
    assert found["memory"]["refused"] == 270 // WRONG_EVERY  # Of 30 and then 270 requests.
    assert found["memory"]["before"] > 100 << 20
    assert all(each["requests"] > 0 and each["cpu"] >= 0 for each in found["found"])
