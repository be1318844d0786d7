"""Start of whole runs as by a user, and access to their outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.pipeline.conftest import Bigvocab


def run(bigvocab: Bigvocab, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    if not file.with_suffix(".schema.pbtxt").exists():
        inferred = bigvocab("schema", file.name, folder=file.parent)
        assert inferred.returncode == 0, inferred.stdout + inferred.stderr
    return bigvocab("run", file.name, *options, folder=file.parent)


def start(file: Path, *options: str) -> subprocess.Popen[str]:
    """Start a run that SIGINT interrupts, even if this process ignores SIGINT. Its standard output is a pipe."""
    # `env` instead of `preexec_fn`, which would fork this process and its threads.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "pipeline.cli", "run", file.name, *options]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, cwd=file.parent, env=environment, stdout=subprocess.PIPE, text=True)


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


def check(file: Path, result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert result.returncode == 0, result.stdout + result.stderr
    found = summary(file)
    assert found["blessed"] is True
    assert found["pushed"]
    assert versions(file)
    assert found["metrics"]["recall_at_10"] > found["baselines"]["popular"]["recall_at_10"]
    assert (file.parent / "runs" / file.stem / "report" / "report.html").stat().st_size > 10_000
    return found
