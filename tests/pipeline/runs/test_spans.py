"""Tests of runs on data in spans."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.forks import ForkServer
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import spans_configuration
from tests.pipeline.whole_runs import start, summary

pytestmark = pytest.mark.slow
QUICK = ("--set", "trainer.epochs=0.5")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, bigvocab: Bigvocab) -> Path:
    file = spans_configuration(tmp_path_factory.mktemp("spans"))
    inferred = bigvocab("schema", file.name, "--root", "elsewhere", folder=file.parent)
    assert inferred.returncode == 0, inferred.stdout + inferred.stderr
    return file


def run(bigvocab: Bigvocab, file: Path, *options: str) -> tuple[str, dict[str, Any]]:
    result = bigvocab("run", file.name, *QUICK, *options, folder=file.parent)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout, summary(file)


def spans(found: dict[str, Any]) -> dict[int, int]:
    """Return the number of rows of each span."""
    return {span["span"]: sum(span["rows"].values()) for span in found["spans"]}


def node(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(node for node in found["nodes"] if node["name"] == name)


def test_a_span_that_is_not_there_is_named_with_those_that_are(bigvocab: Bigvocab, file: Path) -> None:
    result = bigvocab("run", file.name, "--span", "33", folder=file.parent)
    assert result.returncode == 2
    assert "data.span: there is no span 33; did you mean '3'? (there are: 1, 2, 3)" in result.stderr


def test_a_window_rolls_over_spans(forks: ForkServer, bigvocab: Bigvocab, file: Path) -> None:
    process = start(forks, file, "--span", "2", *QUICK)
    for line in process.stdout:  # Interrupt the run between the two spans.
        if re.match(r"  span 1 +[\d.]+ s", line):
            process.send_signal(signal.SIGINT)
            break
    process.stdout.read()
    assert process.wait() == 130

    printed, found = run(bigvocab, file, "--span", "2")
    assert next(line for line in printed.splitlines() if line.startswith("  span 1")).split()[2] == "cached"
    assert [*spans(found)] == [1, 2]
    assert node(found, "AnalyzerCache")["detail"] == "no span was counted before"
    rows = {split: of["rows"] for split, of in found["examples"].items()}
    assert rows == {split: sum(span["rows"][split] for span in found["spans"]) for split in rows}
    assert found["spans"][0]["drift"]["text"]["measure"] == "l_infinity"
    assert 0 < found["spans"][0]["drift"]["text"]["value"] < 1
    assert 0 < found["spans"][1]["out_of_vocabulary_rate"]["labels"] < 1
    assert "drift, L∞" in (file.parent / "runs" / "spans" / "report" / "report.html").read_text()

    _, newer = run(bigvocab, file)
    assert [*spans(newer)] == [2, 3]
    assert spans(newer)[2] == spans(found)[2]
    assert node(newer, "AnalyzerCache")["detail"] == "1 of 2 spans were counted before"

    text = file.parent / "texts" / "02" / "speech.txt"
    text.write_text("\n\n".join(text.read_text().split("\n\n")[:100]))
    artifacts = file.parent / "runs" / "spans" / "artifacts"
    models = {path.name for path in artifacts.glob("Trainer/model/*")}
    printed, changed = run(bigvocab, file, "--set", "artifacts.keep=1")
    assert [*spans(changed)] == [2, 3], "what was ingested again counts once"
    assert spans(changed)[2] < spans(newer)[2]
    assert spans(changed)[3] == spans(newer)[3]
    assert node(changed, "AnalyzerCache")["detail"] == "1 of 2 spans were counted before"
    assert not node(changed, "Transform")["cached"]

    # The last run, and the runs of the last two blessed models, stay. The version of each run keeps its model.
    assert "Deleted by artifacts.keep: " in printed
    assert len(list(artifacts.glob("Transform/transform_graph/*"))) == 2 + (not changed["blessed"])
    assert models <= {path.name for path in artifacts.glob("Trainer/model/*")}
    cleaned = bigvocab("clean", file.name, "--keep", "1", "--dry-run", folder=file.parent)
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert "Would delete: 0 artifacts" in cleaned.stdout
    _, again = run(bigvocab, file)
    trained = ("ExampleGen", "StatisticsGen", "ExampleValidator", "Transform", "Baselines", "Trainer", "Evaluator")
    assert all(node(again, name)["cached"] for name in trained)


def test_pods_ingest_the_window_too(bigvocab: Bigvocab, file: Path, tmp_path: Path) -> None:
    shutil.copytree(file.parent / "texts", tmp_path / "texts")
    for source in (file, file.with_suffix(".schema.pbtxt")):
        shutil.copy(source, tmp_path)
    printed = {}
    for name in ("ExampleGen", "StatisticsGen", "RollingRange"):
        pod = bigvocab("run-node", name, file.name, "--run-id", "run-1", folder=tmp_path)
        assert pod.returncode == 0, pod.stdout + pod.stderr
        printed[name] = pod.stdout
    assert "  span 2 " in printed["ExampleGen"]
    assert "2 to 3, 2 spans" in printed["RollingRange"]
    counts = sorted((tmp_path / "runs" / "spans").glob("artifacts/ExampleGen/examples/*/counts.json"))
    rows = sum(sum(json.loads(path.read_text())["rows"].values()) for path in counts)
    assert len(counts) == 2
    assert f"2 spans, {rows:,} rows" in printed["RollingRange"]
