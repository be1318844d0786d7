"""Start of whole runs as by a user, and access to their outputs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import yaml

from tests.forks import Fork, ForkServer
from tests.pipeline import commands
from tests.pipeline.conftest import Bigvocab


def run(
    bigvocab: Bigvocab, file: Path, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    if not file.with_suffix(".schema.pbtxt").exists():
        inferred = bigvocab("schema", file.name, folder=file.parent)
        assert inferred.returncode == 0, inferred.stdout + inferred.stderr
    return bigvocab("run", file.name, *options, folder=file.parent, environment=environment)


def start(forks: ForkServer, file: Path, *options: str) -> Fork:
    """Start a run that SIGINT interrupts, even if this process ignores SIGINT. Its standard output is a pipe."""
    return commands.start(forks, ["run", file.name, *options], file.parent / "started.err", file.parent)


def summary(file: Path) -> dict[str, Any]:
    return json.loads((file.parent / "runs" / file.stem / "report" / "summary.json").read_text())


def cached(file: Path) -> bool:
    """Return whether the last run took the outputs of all nodes from the cache."""
    nodes = {node["name"]: node["cached"] for node in summary(file)["nodes"]}
    return all(nodes[name] for name in nodes.keys() - {"ImportSchemaGen", "Resolver", "BaseModel"})


def versions(file: Path) -> list[str]:
    return sorted(path.name for path in (file.parent / "runs" / file.stem / "serving").iterdir())


def answers(bigvocab: Bigvocab, file: Path, rows: list[dict[str, Any]], *options: str) -> list[Any]:
    (file.parent / "ask.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    result = bigvocab("predict", "--input", "ask.jsonl", *options, folder=file.parent)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def evaluated_alike(bigvocab: Bigvocab, file: Path) -> None:
    """Check that `bigvocab evaluate` has the figures of the run's Evaluator on the test rows."""
    runs = file.parent / "runs" / file.stem
    (rows,) = runs.glob("artifacts/ExampleGen/examples/*/Split-test/*.gz")
    (file.parent / "test.jsonl").write_text("".join(_lines(rows, yaml.safe_load(file.read_text())["data"])))
    result = bigvocab(
        "evaluate", "test.jsonl", "--model", runs / "serving", "--output", "measured.json", folder=file.parent
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    found, expected = json.loads((file.parent / "measured.json").read_text()), summary(file)
    assert found["rows"] == dict.fromkeys(("read", "measured"), expected["examples"]["test"]["rows"]) | {"unusable": 0}
    for name in ("metrics", "bands", "targets"):
        assert found.get(name) == _about(expected.get(name)), name
    assert found["slices"] == _about(
        [{k: entry[k] for k in entry if not k.endswith("baselines")} for entry in expected["slices"]]
    )


def _lines(rows: Path, data: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of ExampleGen as JSON lines, with their tokens joined to a text again."""
    for record in tf.data.TFRecordDataset(str(rows), "GZIP").as_numpy_iterator():
        row: dict[str, Any] = {}
        for name, feature in tf.train.Example.FromString(record).features.feature.items():
            values = [value.decode() for value in feature.bytes_list.value] or [*feature.float_list.value]
            of_text = name in data["inputs"] and data.get("tokenizer", "words") != "none"
            row[name] = " ".join(values) if of_text else values if len(values) > 1 else values[0]
        yield json.dumps(row) + "\n"


def _about(value: Any) -> Any:
    """Allow a difference in the sixth digit of each number: float32 sums depend on the batches."""
    if isinstance(value, dict):
        return {name: _about(of) for name, of in value.items()}
    if isinstance(value, list):
        return [_about(of) for of in value]
    return pytest.approx(value, rel=1e-5) if isinstance(value, float) else value


def check(file: Path, result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert result.returncode == 0, result.stdout + result.stderr
    found = summary(file)
    assert found["blessed"] is True
    assert found["pushed"]
    assert versions(file)
    assert found["metrics"]["recall_at_10"] > found["baselines"]["popular"]["recall_at_10"]
    assert (file.parent / "runs" / file.stem / "report" / "report.html").stat().st_size > 10_000
    _check_provenance(found)
    return found


def _check_provenance(found: dict[str, Any]) -> None:
    """Check the command, the configuration and the lineage of a run."""
    assert found["command"].startswith("bigvocab run ")
    settings = {of["key"]: of["value"] for of in found["configuration"]["settings"]}
    assert settings["name"] == found["name"]
    executions = {of["node"]: of for of in found["lineage"]}
    assert [*executions] == [node["name"] for node in found["nodes"]]
    (model,) = [artifact for artifact in executions["Trainer"]["outputs"] if artifact["key"] == "model"]
    (read,) = [artifact for artifact in executions["Evaluator"]["inputs"] if artifact["key"] == "model"]
    assert (read["id"], read["type"], read["uri"]) == (model["id"], "Model", model["uri"])
    assert model["uri"].startswith("artifacts/Trainer/model/")
    assert all(node["peak_bytes"] is None or node["peak_bytes"] > 1 << 20 for node in found["nodes"])
