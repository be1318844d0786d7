"""Tests of `bigvocab bench quality`: combinations, baselines, tables, and a measurement of two small combinations."""

from __future__ import annotations

import datetime
import io
import json
import math
from collections.abc import Generator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.commands.quality import quality
from benchmarks.harness.machine import Machine
from benchmarks.quality import combinations, measure
from benchmarks.quality.baselines import measure_baselines
from benchmarks.quality.combinations import COMBINATIONS, DATA, Combination
from benchmarks.quality.data import DataError, Request
from benchmarks.quality.measure import Results, Run
from benchmarks.quality.report import lines
from benchmarks.trainings import Data, Reached, Training, TrainingError, newest
from components.training.spec import TrainerSpec
from pipeline.config.loading import load
from tests.components.baselines.conftest import Files, sequences, speeches, write
from tests.pipeline.data_sets import sessions_configuration

__all__ = ["sequences", "speeches", "write"]  # Fixtures.

MACHINE = Machine("a processor", False, 2, 8 << 30, 0.0, {}, datetime.date(2026, 1, 1).isoformat())
TRIGRAM = {"recall_at_10": 0.525, "recall_at_20": 0.59, "mrr_at_20": 0.3, "nll": math.log(120)}
COOCCURRENCE = {"recall_at_10": 0.1, "recall_at_20": 0.2, "mrr_at_20": 0.05, "nll": None}


def reached(recall: float, nll: float, cpu: float = 240.0) -> Reached:
    return Reached(900, 1.5, cpu, {"recall_at_10": recall, "recall_at_20": 0.6, "mrr_at_20": 0.31, "nll": nll})


def test_the_combinations_are_configurations() -> None:
    assert len(COMBINATIONS) <= 12
    for name, combination in COMBINATIONS.items():
        spec = TrainerSpec.model_validate(combination.trainer)
        assert combination.shared or not spec.model.tie, name
        assert set(combination.data) <= set(DATA)
        assert "," not in name


@pytest.mark.parametrize(("name", "preset"), [("shared projection + mixture", "shared_projection"), ("lstm", "lstm")])
def test_a_combination_is_the_form_of_a_preset(name: str, preset: str) -> None:
    ours, theirs = TrainerSpec.model_validate(COMBINATIONS[name].trainer), load(preset).trainer
    # The combinations are the same for all data. A preset keeps as many ids in order as its data need.
    same = {name: getattr(ours.model, name) for name in {"ordered_ids"} & type(ours.model).model_fields.keys()}
    assert (ours.model, ours.head) == (theirs.model.model_copy(update=same), theirs.head)
    assert (ours.batch, ours.learning_rate) == (theirs.batch, theirs.learning_rate)


def test_both_vocabularies_are_made_only_if_needed() -> None:
    def requests(*names: str) -> list[Request]:
        return measure.requests("products", names, "runs/quality", quick=True)

    root = "runs/quality/products"
    own, shared = requests("shared projection", "session + tied", "lstm")
    assert own == Request("next_product", root, shared=False, quick=True, baselines=True)
    assert shared == Request("next_product", root, shared=True, quick=True, baselines=False)
    assert requests("session + tied", "lstm") == [Request("next_product", root, True, True, True)]
    for request in (own, shared):
        assert request.config().vocabulary.shared == request.shared
        assert request.config().data.share == 0.25


def test_the_time_is_estimated() -> None:
    # Two rounds of two trainings, then one round, on two cores.
    wanted = {"speeches": ["lstm", "transformer"], "products": ["transformer"]}
    assert measure.estimate(wanted, seeds=2, cpu_seconds=200, cores=2) == pytest.approx((3 * 240 + 180) / 60)


def test_the_table_has_baselines_and_combinations_the_best_first() -> None:
    popular = {**TRIGRAM, "recall_at_10": 0.3, "nll": math.log(5_250)}
    baselines = {"cooccurrence": COOCCURRENCE, "trigram": TRIGRAM, "popular": popular}
    results = Results(MACHINE, 240.0, 2, baselines={"speeches": baselines})
    results.runs += [
        Run("speeches", "lstm", 1, reached(0.52, 4.5)),
        Run("products", "lstm", 1, reached(0.99, 4.5)),
        Run("speeches", "session + tied", 1, reached(0.53, 4.6)),
        Run("speeches", "session + tied", 2, reached(0.54, 4.8, cpu=250.0)),
        Run("speeches", "transformer", 1, reached(0.0, math.inf)),
    ]
    head, _, *rows = lines(results, "speeches")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, *rows)]
    assert cells[0][4:] == ["recall@10", "recall@20", "MRR@20", "nll", "perplexity"]
    assert [row[0] for row in cells[1:]] == [
        "session + tied", "trigram (baseline)", "lstm", "popular (baseline)", "cooccurrence (baseline)", "transformer",
    ]  # fmt: skip
    assert cells[1][1:5] == ["2", "1.50", "245", "0.5350 ± 0.0071"]
    assert cells[1][-2:] == ["4.700 ± 0.141", "109.9"]
    assert cells[2] == ["trigram (baseline)", "-", "-", "-", "0.5250", "0.5900", "0.3000", "4.787", "120.0"]
    assert cells[3][-5] == "0.5200"
    assert cells[4][-2:] == ["8.566", "5,250"]
    assert cells[5][-2:] == ["-", "-"]
    assert cells[6][-2:] == ["inf", "inf"]


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Training]]:
    """Return the list of requested trainings with the graph of their data. The third one is interrupted."""
    asked: list[tuple[str, Training]] = []

    def prepare(request: Request, threads: int) -> tuple[Data, dict[str, Any]]:
        baselines = {"trigram": TRIGRAM} if request.baselines else {}
        return Data(f"shared {request.shared}", "examples", "{}", 1), baselines

    def results(
        jobs: Sequence[tuple[Data, Training]], at_once: int
    ) -> Generator[tuple[int, Reached | TrainingError], None, None]:
        asked.extend((data.graph, training) for data, training in jobs)
        yield 1, reached(0.5, 4.5)
        yield 0, TrainingError("no memory")
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "prepare", prepare)
    monkeypatch.setattr(measure, "results", results)
    return asked


def test_an_interruption_keeps_what_has_ended(simulated: list[tuple[str, Training]], tmp_path: Path) -> None:
    out, file = io.StringIO(), tmp_path / "figures.json"
    with pytest.raises(KeyboardInterrupt):
        quality(["speeches"], ["shared projection", "lstm"], 2, 90, tmp_path, out, file)
    assert [(graph, training.name, training.seed) for graph, training in simulated] == [
        ("shared False", "shared projection", 1),
        ("shared True", "lstm", 1),
        ("shared False", "shared projection", 2),
        ("shared True", "lstm", 2),
    ]
    assert {training.cpu_seconds for _, training in simulated} == {90}
    figures = json.loads(file.read_text())
    assert [(of["combination"], of["seed"], of["metrics"]["nll"]) for of in figures["trainings"]] == [("lstm", 1, 4.5)]
    assert figures["baselines"]["speeches"]["trigram"] == TRIGRAM
    assert figures["failures"] == ["speeches: no memory"]
    assert "| trigram (baseline) |" in out.getvalue()
    assert "| lstm               |     1 |" in out.getvalue()
    assert "90 CPU seconds each, eval split" in out.getvalue()


def test_data_that_cannot_be_prepared_are_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def prepare(request: Request, threads: int) -> None:
        raise DataError(f"{request.preset}: no room")

    monkeypatch.setattr(measure, "prepare", prepare)
    out = io.StringIO()
    assert quality(["speeches"], ["lstm"], 1, 90, tmp_path, out) == 1
    assert out.getvalue() == ""
    assert capsys.readouterr().err.endswith("\nshared_projection: no room\n")


def test_the_baselines_are_those_of_the_node(sequences: Files, tmp_path: Path) -> None:
    from tests.components.baselines.test_executor import BANDS, SEQUENCE, run

    evaluation = load("shared_projection").evaluation.model_copy(update={"bands": BANDS})
    config = load("sequence_lstm").model_copy(update={"data": SEQUENCE, "evaluation": evaluation})
    of_node = run(sequences, SEQUENCE, tmp_path / "out")["metrics"]
    assert measure_baselines(config, str(sequences.graph), str(sequences.examples), "test") == of_node
    with pytest.raises(ValueError, match="no label"):  # No file is in this split.
        measure_baselines(config, str(sequences.graph), str(sequences.examples))


WIDTHS = {"tie": True, "context": 4, "embedding": 8, "projection": 8}
# With the n-grams that are counted before the first step, but few of them, and no heads: it is traced in fewer seconds.
SMALL = {
    "batch": 64,
    "learning_rate": 0.01,
    "model": {**WIDTHS, "ngrams": 2, "frequent_ngrams": 500, "num_heads": 0},
}
LSTM = {"kind": "recurrent", "tie": True, "context": 12, "embedding": 8, "projection": 8, "units": 6}


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_two_combinations_reach_what_the_trainer_reaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, lstm = {**SMALL, "head": {"negatives": 64}}, {**SMALL, "model": LSTM, "head": {"negatives": 64}}
    preset = sessions_configuration(tmp_path, "{leave_out: 1}")
    features = "".join(f'feature {{ name: "{name}" type: BYTES }}\n' for name in ("items", "shop"))
    preset.with_suffix(".schema.pbtxt").write_text(features)
    monkeypatch.setitem(combinations.DATA, "sessions", str(preset))
    for name, trainer in (("small", small), ("small lstm", lstm)):
        monkeypatch.setitem(COMBINATIONS, name, Combination(trainer, shared=True, data=("sessions",)))
    out, file = io.StringIO(), tmp_path / "figures.json"
    only = ["small", "small lstm"]
    # So little time that each training has the fewest steps.
    assert quality(["sessions"], only, 1, 0.01, tmp_path / "runs", out, file) == 0, out.getvalue()
    figures = json.loads(file.read_text())
    found = {of["combination"]: of for of in figures["trainings"]}

    rows = [json.loads(line)["items"] for line in (tmp_path / "sessions.jsonl").read_text().splitlines()]
    popular = figures["baselines"]["sessions"]["popular"]
    assert popular["count"] == sum(len(row) > 2 for row in rows), "one label of each row is in the eval split"

    columns = load(str(preset)).data.model_dump_json()
    graph, examples = newest(tmp_path / "runs" / "sessions" / "artifacts") or ("", "")
    for name, trainer in (("small", small), ("small lstm", lstm)):
        # Half a step more, since the Trainer rounds down.
        epochs = found[name]["epochs"] * 20.5 / 20
        validation = trained({**trainer, "epochs": epochs}, columns, graph, examples, tmp_path / name)
        assert found[name]["steps"] == validation["step"] == 20
        for metric in ("nll", "recall_at_10", "mrr_at_10"):
            assert found[name]["metrics"][metric] == pytest.approx(validation[metric], rel=1e-3)
        assert found[name]["metrics"]["recall_at_20"] >= found[name]["metrics"]["recall_at_10"]
        assert found[name]["cpu"] > 0
        assert f"| {name:<10} " in out.getvalue()


def trained(trainer: dict[str, Any], data: str, graph: str, examples: str, folder: Path) -> dict[str, float]:
    """Train with the Trainer, and return its only validation, with the nll after the calibration."""
    from components.training.run import run_fn

    run_fn(
        SimpleNamespace(
            custom_config={
                "trainer": json.dumps(trainer),
                "data": data,
                "vocabulary": json.dumps({"shared": True}),
                "bands": "{}",
                "checkpoints": str(folder / "checkpoints"),
                "code": "0",
            },
            train_files=[f"{examples}/Split-train/*"],
            eval_files=[f"{examples}/Split-eval/*"],
            transform_output=graph,
            base_model=None,
            hyperparameters=None,
            serving_model_dir=str(folder / "model"),
            model_run_dir=str(folder / "run"),
        )
    )
    history = json.loads((folder / "run" / "training.json").read_text())
    (validation,) = history["validations"]
    return validation | {"nll": history["label_calibration"]["after"]["nll"]}
