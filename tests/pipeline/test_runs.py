"""Whole runs, as a user starts them, each through to a pushed model that answers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import encoders
from benchmarks.trainings import Training, train_all
from pipeline.bench import transformed
from pipeline.loading import load
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import (
    csv_configuration,
    outputs_configuration,
    sessions_configuration,
    text_configuration,
    years_configuration,
)

pytestmark = pytest.mark.slow


def run(bigvocab: Bigvocab, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    if not file.with_suffix(".schema.pbtxt").exists():
        inferred = bigvocab("schema", file.name, folder=file.parent)
        assert inferred.returncode == 0, inferred.stdout + inferred.stderr
    return bigvocab("run", file.name, *options, folder=file.parent)


def summary(file: Path) -> dict[str, Any]:
    return json.loads((file.parent / "runs" / file.stem / "report" / "summary.json").read_text())


def versions(file: Path) -> list[str]:
    return sorted(path.name for path in (file.parent / "runs" / file.stem / "serving").iterdir())


def answers(bigvocab: Bigvocab, file: Path, rows: list[dict[str, Any]], *options: str) -> list[Any]:
    (file.parent / "ask.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    result = bigvocab("predict", "--input", "ask.jsonl", *options, folder=file.parent)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def check(file: Path, result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert result.returncode == 0, result.stdout + result.stderr
    found = summary(file)
    assert found["blessed"] is True
    assert found["pushed"]
    assert versions(file)
    assert found["metrics"]["recall_at_10"] > found["baselines"]["popular"]["recall_at_10"]
    assert (file.parent / "runs" / file.stem / "report" / "report.html").stat().st_size > 10_000
    return found


@pytest.fixture(scope="module")
def labelled(bigvocab: Bigvocab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = csv_configuration(tmp_path_factory.mktemp("labelled"))
    result = run(bigvocab, file)
    check(file, result)
    return file


def test_labelled_rows_of_a_csv(labelled: Path, bigvocab: Bigvocab) -> None:
    found = summary(labelled)
    assert sum(found["examples"][split]["rows"] for split in ("train", "eval", "test")) == 12_000
    assert {entry["slice"] for entry in found["slices"]} == {"decade"}
    assert set(found["baselines"]) == {"popular", "bigram"}
    (first,) = answers(bigvocab, labelled, [{"before": "the", "last": "united", "year": 2020}])
    assert first[0]["label"] == "states"


def test_encoders_and_losses_are_compared_on_its_data(labelled: Path, bigvocab: Bigvocab) -> None:
    """Whether each does learn: in a second of time, and in few steps."""
    compared = bigvocab(
        "bench", "encoders", "words.yaml", "--only", "concatenation", "--seeds", "1", "--cpu-minutes", "0.02",
        folder=labelled.parent,
    )  # fmt: skip
    assert compared.returncode == 0, compared.stderr
    assert re.search(r"^\| concatenation \|", compared.stdout, re.MULTILINE)
    trainings = [
        Training(form, {"model": encoders.CONCATENATION, "head": {"form": form}}, seed=1, steps=20)
        for form in ("full", "own")
    ]
    data = transformed(load(str(labelled), []), labelled.parent / "runs" / "words")
    for reached in train_all(data, trainings, at_once=2, say=lambda _: None):
        # 801 answers: nothing learnt would be 6.7.
        assert 3 < reached.nll < 6.5
        assert reached.steps == 20


def test_nothing_changed_is_all_cached(labelled: Path, bigvocab: Bigvocab) -> None:
    before = versions(labelled)
    result = run(bigvocab, labelled)
    assert result.returncode == 0, result.stdout
    nodes = {node["name"]: node["cached"] for node in summary(labelled)["nodes"]}
    assert all(cached for name, cached in nodes.items() if name not in ("Resolver", "ImportSchemaGen")), nodes
    assert versions(labelled) == before


def test_a_model_that_is_not_good_enough_is_not_pushed(labelled: Path, bigvocab: Bigvocab) -> None:
    before = versions(labelled)
    result = run(bigvocab, labelled, "--set", "evaluation.max_perplexity=1.5")
    assert "NOT blessed" in result.stdout
    assert re.search(r"perplexity is [\d.]+: at most 1.5 is wanted", result.stdout)
    assert summary(labelled)["blessed"] is False
    assert not summary(labelled)["pushed"]
    assert versions(labelled) == before


def test_changed_data_is_seen(labelled: Path, bigvocab: Bigvocab) -> None:
    rows = labelled.parent / "rows.csv"
    whole = rows.read_text(encoding="utf-8")
    rows.write_text(whole + "the,united,2024,2020s,states\n" * 5, encoding="utf-8")
    try:
        result = run(bigvocab, labelled, "--set", "trainer.epochs=0.2", "--set", "trainer.warm_start=true")
    finally:
        rows.write_text(whole, encoding="utf-8")
    examples = summary(labelled)["examples"]
    assert sum(examples[split]["rows"] for split in ("train", "eval", "test")) == 12_005, result.stdout
    assert re.search(r"BaseModel .* starts from model \d+", result.stdout)
    started = summary(labelled)["training"]["warm_start"]
    assert started["optimizer"], started
    assert started["vocabularies"]["labels"]["stayed"] > 700


def test_a_folder_of_texts(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = text_configuration(tmp_path)
    check(file, run(bigvocab, file))
    nodes = {node["name"]: node["cached"] for node in summary(file)["nodes"]}
    assert nodes["ExampleGen"], "`bigvocab schema` has already read the data"
    assert nodes["StatisticsGen"]
    result = bigvocab("predict", "the united", "the american", "--top", "5", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert re.search(r"the united\n  states +0\.\d+", result.stdout)


def test_sessions_in_json_lines(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = sessions_configuration(tmp_path)
    found = check(file, run(bigvocab, file))
    assert set(found["baselines"]) == {"popular", "bigram", "trigram"}
    assert {entry["slice"] for entry in found["slices"]} == {"shop"}
    (first,) = answers(bigvocab, file, [{"items": ["the", "united"]}])
    assert first[0]["label"] == "states"


def test_a_number_as_the_label(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = years_configuration(tmp_path)
    result = run(bigvocab, file)
    assert result.returncode == 0, result.stdout + result.stderr
    found = summary(file)
    assert (found["blessed"], found["servable"], found["pushed"]) == (True, True, True)
    assert found["metrics"]["rmse"] < found["baselines"]["mean"]["rmse"]
    assert found["targets"]["speaker"]["accuracy"] > 0.5
    assert {entry["value"] for entry in found["slices"]} == {"early speaker", "late speaker"}
    early, late = answers(bigvocab, file, [{"text": "the subject of slavery"}, {"text": "jobs and health care"}])
    assert 1700 < early["value"] < late["value"] < 2100
    assert early["speaker"]["label"] in ("early speaker", "late speaker")


def test_several_outputs(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = outputs_configuration(tmp_path)
    found = check(file, run(bigvocab, file))
    assert set(found["targets"]) == {"shop", "price"}
    assert found["targets"]["shop"]["count"] == found["targets"]["price"]["count"] == found["metrics"]["count"]
    (first,) = answers(bigvocab, file, [{"items": ["the", "united"]}], "--top", "3")
    assert first["labels"][0]["label"] == "states"
    assert first["shop"]["label"].startswith("shop ")
    assert 15 < first["price"] < 30, "in the column's units"


def test_interrupted_and_taken_up_again(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = csv_configuration(tmp_path, rows=4_000)
    assert bigvocab("schema", file.name, folder=tmp_path).returncode == 0
    command = [sys.executable, "-m", "pipeline.cli", "run", file.name]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # may be ignored here
    )  # fmt: skip
    assert process.stdout
    for line in process.stdout:  # Interrupt it as soon as Transform is done.
        if line.startswith("  Transform"):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stdout.read()
    assert process.wait() == 130
    assert "goes on from here" in rest
    check(file, run(bigvocab, file))
    nodes = {node["name"]: node["cached"] for node in summary(file)["nodes"]}
    assert nodes["ExampleGen"]
    assert nodes["Transform"]
    assert not nodes["Trainer"]
