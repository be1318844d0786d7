"""Tests of a run on sessions whose last items are left out, with the node of `docs/how-to/extending.md` in its DAG."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from components.serving.model import Model
from components.serving.server import serving
from tests.components.serving.conftest import Client
from tests.documents import written
from tests.forks import ROOT, ForkServer
from tests.pipeline import commands
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import sessions_configuration
from tests.pipeline.whole_runs import answers, check, run, summary

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(bigvocab: Bigvocab, started_bigvocab: Bigvocab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sessions")
    file = sessions_configuration(folder, splits="{leave_out: 2}")
    inferred = bigvocab("schema", file.name, folder=folder)
    assert inferred.returncode == 0, inferred.stdout + inferred.stderr
    # The recipe adds lines to a file of BigVocab, so a copy is changed, which no process may have imported before.
    for package in ("benchmarks", "components", "pipeline", "schemas"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    written(folder, "my_package/longest.py", "my_package/node.py", "my_package/longest.html.j2")
    nodes = folder / "pipeline" / "nodes.py"
    first, rest = "    ExampleGenNode(),\n", nodes.read_text(encoding="utf-8")
    assert first in rest
    more = "from my_package.node import LongestNode\n"
    nodes.write_text(rest.replace("\nNODES", f"\n{more}\nNODES").replace(first, f"{first}    LongestNode(),\n"))
    result = run(started_bigvocab, file)
    found = check(file, result)
    assert f"the longest row has {found['longest']:,} tokens" in result.stdout
    return file


def items(file: Path) -> list[list[str]]:
    return [json.loads(line)["items"] for line in (file.parent / "sessions.jsonl").read_text().splitlines()]


def test_the_last_items_are_left_out(bigvocab: Bigvocab, file: Path) -> None:
    sessions, found = items(file), summary(file)
    lengths = [*map(len, sessions)]
    test = sum(min(2, length - 1) for length in lengths)
    evaluated = sum(max(0, min(2, length - 3)) for length in lengths)
    labels = {split: counts["examples"] for split, counts in found["examples"].items()}
    assert labels == {
        "train": sum(length - 1 for length in lengths) - test - evaluated,
        "eval": evaluated,
        "test": test,
    }
    # The model and the baselines are measured on the labels of the split, not on the context before them.
    assert found["metrics"]["count"] == found["baselines"]["bigram"]["count"] == test
    assert sum(entry["metrics"]["count"] for entry in found["slices"]) == test
    first, *_ = found["vocabularies"]["inputs"]["top"]
    learnt_from = [session[:-4] for session in sessions if len(session) > 5]
    assert first["count"] == sum(session.count(first["token"]) for session in learnt_from)
    assert "the last 2 tokens are test" in found["split_rule"]
    assert "first_label" not in file.with_suffix(".schema.pbtxt").read_text(), "a schema fits all rules of splits"
    assert {entry["slice"] for entry in found["slices"]} == {"shop"}
    (answer,) = answers(bigvocab, file, [{"items": ["the", "united"]}])
    assert answer[0]["label"] == "states"


def test_the_pushed_model_is_served(bigvocab: Bigvocab, file: Path) -> None:
    rows = [{"items": ["the", "united"]}, {"items": ["of", "the", "united"]}]
    expected = answers(bigvocab, file, rows, "--top", "3")
    folder = file.parent / "runs" / file.stem / "serving"
    with serving(folder, "sessions", 16, print, poll_seconds=None) as parts:
        client = Client(parts.app)
        inputs = {"items": [["the", "united", ""], rows[1]["items"]]}
        body = {"signature_name": "predict", "inputs": {**_missing(parts.versions.current, 2), **inputs}}
        found = client.post("/v1/models/sessions:predict", json=body).json()["outputs"]
        for number, answer in enumerate(expected):
            assert found["labels"][number][:3] == [each["label"] for each in answer]
            probabilities = [each["probability"] for each in answer]
            assert found["probabilities"][number][:3] == pytest.approx(probabilities, abs=2e-6)
        explained = client.post("/v1/models/sessions:explain", json={"row": rows[1], "top": 3}).json()
    assert [each["label"] for each in explained["answer"]] == [each["label"] for each in expected[1]]
    decisive = max(explained["values"], key=lambda value: value["contributions"][0])
    assert (decisive["value"], decisive["place"]) == ("united", 2), "`states` follows `united`"


def _missing(model: Model, rows: int) -> dict[str, list[str]]:
    """Return missing categories for the other columns of the signature `predict`."""
    return {name: [""] * rows for name in model.signatures["predict"].inputs if name != "items"}


def test_the_node_is_in_the_dag_the_report_and_the_cache(forks: ForkServer, file: Path) -> None:
    found = summary(file)
    assert 1 < found["longest"] <= max(map(len, items(file)))
    assert [node["name"] for node in found["nodes"]].count("Longest") == 1
    report = (file.parent / "runs" / file.stem / "report" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Longest row</h2>" in report
    out, arguments = file.parent / "out", ["run", file.name]
    ended = forks.start(commands.run_copy, arguments, out=out, err=out, folder=file.parent, modules=commands.MODULES)
    again = check(file, subprocess.CompletedProcess(arguments, ended.result(), out.read_text(), ""))
    assert {node["name"]: node["cached"] for node in again["nodes"]}["Longest"]
