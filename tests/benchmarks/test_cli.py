from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from benchmarks.commands.common import BenchError
from benchmarks.commands.ingest import ingest
from benchmarks.commands.softmax import Options
from benchmarks.softmax.variants import VARIANTS
from pipeline.cli import main
from tests.pipeline.conftest import Bigvocab


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("softmx",), "unknown: softmx; did you mean 'softmax'?"),
        (("softmax", "--chek"), "unknown: --chek; did you mean '--check'?"),
        (("softmax", "--only", "naive,rowise"), "there is no 'rowise'; did you mean 'rowwise'?"),
        (("softmax", "--batch", "many"), "expected numbers as in 512,25K,1M, not 'many'"),
        (("softmax", "--classes", "10"), "--classes must be at least 100, not 10"),
        (("softmax", "--rounds", "0"), "--rounds must be at least 1, not 0"),
        (("softmax", "--threads", "0"), "--threads must be at least 1, not 0"),
        (("softmax", "--json", "nowhere/figures.json"), "--json: nowhere is not a folder"),
        (("encoders", "--only", "gruu"), "there is no 'gruu'; did you mean 'gru'?"),
        (("encoders", "--cpu-minutes", "0"), "--seeds and --cpu-minutes must be above 0"),
        (("encoders",), "runs/shared_projection holds no transformed data: run `bigvocab run --root"),
        (("encoders", "sequence_regression"), "the label of sequence_regression is a number"),
        (("ingest", "--only", "row"), "there is no 'row'; did you mean 'rows'?"),
        (("ingest", "--sizes", "10"), "--sizes must be at least 1,000"),
        (
            ("ingest", "--beam", "{kind: dask}"),
            "--beam: Value error, kind 'dask': Beam's Dask runner writes wrong splits",
        ),
        (("ingest", "--beam", "{kind: flink, endpiont: 'jobs:8099'}"), "--beam: flink.endpiont: Extra inputs"),
        (("ingest", "--beam", "{kind: "), "--beam: no YAML: {kind: "),
        (("heads", "--only", "step"), "there is no 'step'; did you mean 'steps'?"),
        (("heads", "--rounds", "0"), "--rounds and --threads must be at least 1"),
        (("heads", "--json", "nowhere/figures.json"), "--json: nowhere is not a folder"),
        (("labels", "--only", "featurs"), "there is no 'featurs'; did you mean 'features'?"),
        (("labels", "--json", "nowhere/figures.json"), "--json: nowhere is not a folder"),
        (("sampling", "--only", "onw"), "there is no 'onw'; did you mean 'own'?"),
        (("sampling", "--steps", "1"), "--seeds must be above 0 and --steps above 1"),
        (("sampling", "--root", "elsewhere"), "elsewhere holds no transformed data"),
        (("quality", "--only", "lstm + tide"), "--only: there is no 'lstm + tide'; did you mean 'lstm + tied'?"),
        (("quality", "--data", "speech"), "--data: there is no 'speech'; did you mean 'speeches'?"),
        (("quality", "--seeds", "0"), "--seeds and --cpu-seconds must be above 0"),
        (("quality", "--cpu-seconds", "0"), "--seeds and --cpu-seconds must be above 0"),
        (("quality", "--json", "nowhere/figures.json"), "--json: nowhere is not a folder"),
    ],
)
def test_a_wrong_option_is_reported_before_anything_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    arguments: tuple[str, ...], hint: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["bench", *arguments])
    except SystemExit as exit_:  # argparse exits the process itself
        code = exit_.code
    assert code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert hint in err


def test_what_is_measured_by_default() -> None:
    grid = Options().grid(cores=3)
    assert (grid.classes, grid.batches) == ([10_000, 25_000, 100_000, 1_000_000], [512, 1_024, 4_096])
    assert (grid.rounds, grid.threads, list(grid.variants)) == (7, 3, list(VARIANTS))
    assert Options().names() == [*VARIANTS, "training"]
    quick = Options(quick=True)
    assert (quick.grid(1).classes, quick.grid(1).batches, quick.names()) == ([25_000], [1_024], list(VARIANTS))
    check = Options(check=True, quick=True)
    assert (check.grid(1).classes, check.grid(1).batches) == ([25_000, 1_000_000], [1_024])
    assert check.names() == [*VARIANTS, "training"]
    some = Options(only=["training", "naive"], batches=[64, 32], classes=[500])
    assert some.names() == ["naive", "training"]
    assert (some.grid(1).variants, some.grid(1).batches) == (["naive"], [32, 64])
    with pytest.raises(BenchError):
        Options(only=[""]).names()


@pytest.mark.slow
def test_the_command_measures(bigvocab: Bigvocab, tmp_path: Path) -> None:
    done = bigvocab(
        "bench", "softmax", "--only", "rowwise,naive", "--batch", "32", "--classes", "500", "--rounds", "1",
        "--threads", "1", "--json", "figures.json", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"this takes about \d+ min", done.stderr)
    assert re.search(r"1 thread a process\.", done.stdout)
    assert re.search(r"^\| naive   \|.* 1\.0x \|", done.stdout, re.MULTILINE)
    (cell,) = json.loads((tmp_path / "figures.json").read_text())["cells"]
    assert (cell["classes"], cell["batch"]) == (500, 32)
    assert set(cell["variants"]) == {"naive", "rowwise"}
    for figures in cell["variants"].values():
        assert figures["cpu_ms"]["least"] > 0
    assert cell["variants"]["rowwise"]["times_naive"] > 0


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_a_whole_training_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.softmax.training import ARMS, measure_training

    training = measure_training(500, 32, rounds=1, threads=1, say=lambda _: None, steps=16)
    assert training.failed == {}
    assert list(training.arms) == list(ARMS)
    for name in ARMS:
        assert training.rate(name)


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_the_way_into_the_pipeline_is_measured_node_by_node(tmp_path: Path) -> None:
    out = io.StringIO()
    assert ingest(["rows"], [2_000], True, out, tmp_path / "figures.json") == 0
    found = json.loads((tmp_path / "figures.json").read_text())["stages"]
    assert [(s["node"], s["examples"]) for s in found] == [
        (node, 2_000) for node in ("ExampleGen", "StatisticsGen", "Transform", "all three")
    ]
    assert all(s["cpu"] > 0 and s["wall"] > 0 and s["peak"] > 100 << 20 for s in found)
    assert "| rows |    2,000 |" in out.getvalue()
