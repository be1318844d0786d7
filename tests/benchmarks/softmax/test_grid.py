from __future__ import annotations

import pytest

from benchmarks.softmax import grid as module
from benchmarks.softmax.grid import Grid, Result, measure
from benchmarks.softmax.report import cell_lines
from benchmarks.softmax.variants import VARIANTS, Variant

SUMS = "tests.benchmarks.workloads:Sums"


@pytest.fixture
def variants(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {
        "naive": Variant("slow", SUMS, 1, logits=1),
        "rowwise": Variant("also", SUMS, 1),
        "dense": Variant("cannot", SUMS, 1, options={"fails": "turn"}),
        "full": Variant("dies", SUMS, 1, options={"fails": "start killed"}),
    }
    for name, variant in made.items():
        monkeypatch.setitem(VARIANTS, name, variant)


@pytest.mark.usefixtures("variants")
def test_variants_take_turns_and_failures_stay_alone() -> None:
    said: list[str] = []
    grid = Grid(["naive", "rowwise", "dense", "full"], [200], [4, 8], rounds=2, threads=1)
    cells = list(measure(grid, said.append))
    assert [(cell.problem.classes, cell.problem.batch) for cell in cells] == [(200, 4), (200, 8)]
    for cell in cells:
        for name in ("naive", "rowwise"):
            result = cell.results[name]
            assert result.timing
            assert len(result.timing.cpu) == 2
            naive = cell.results["naive"].timing
            assert naive
            assert cell.speed(name) == pytest.approx(naive.least_cpu / result.timing.least_cpu)
        assert cell.results["dense"] == Result(skipped="failed: ValueError: no turn", failed=True)
        assert cell.results["full"].skipped.startswith("failed: killed by SIGKILL")
    assert any("in _fail" in text for text in said)
    text = "\n".join(cell_lines(cells[0]))
    assert "200 classes, B=4" in text
    assert "| dense   | failed |" in text
    assert "dense: failed: ValueError: no turn." in text


@pytest.mark.usefixtures("variants")
def test_what_is_too_large_is_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOGITS_BYTES", 4 * 200 * 4)
    (small, large) = measure(Grid(["naive", "rowwise"], [200], [4, 8], rounds=1, threads=1), lambda _: None)
    assert small.results["naive"].timing
    assert large.results["naive"].timing is None
    assert "its logits alone take" in large.results["naive"].skipped
    assert large.speed("rowwise") is None
    assert "| naive   | skipped |" in "\n".join(cell_lines(large))


@pytest.mark.usefixtures("variants")
def test_memory_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_memory", lambda: int(1.5 * module.PROCESS_BYTES / module.MEMORY_SHARE))
    (cell,) = measure(Grid(["naive", "rowwise"], [200], [4], rounds=1, threads=1), lambda _: None)
    assert cell.results["naive"].timing
    assert cell.results["rowwise"].skipped == "it takes about 0.5 GiB, and 0.2 GiB are left"


def test_without_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: None)
    (cell,) = measure(Grid(["torch-full"], [200], [4], rounds=1, threads=1), lambda _: None)
    assert cell.results["torch-full"].skipped == "PyTorch is not installed: uv sync --extra pipeline --group bench"


def test_more_takes_longer() -> None:
    few = Grid(list(VARIANTS), [25_000], [1_024], 3, 2).estimate()
    many = Grid(list(VARIANTS), [10_000, 25_000, 100_000, 1_000_000], [512, 1_024, 4_096], 7, 2).estimate()
    assert 20 < few < 120
    assert 200 < many < 1_200
