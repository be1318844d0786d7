"""Tests of interrupted runs."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.forks import ForkServer
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import csv_configuration
from tests.pipeline.whole_runs import check, run, start, summary

pytestmark = pytest.mark.slow


def test_interrupted_and_taken_up_again(forks: ForkServer, bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = csv_configuration(tmp_path, rows=4_000)
    assert bigvocab("schema", file.name, folder=tmp_path).returncode == 0
    process = start(forks, file)
    for line in process.stdout:  # Interrupt the run as soon as Transform is done.
        if re.match(r"  Transform +[\d.]+ s", line):  # Not a line about its progress, which a slow machine shows.
            break
    second = bigvocab("run", file.name, "--quick", folder=tmp_path)
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait() == 130, rest
    assert "Kept: the outputs of ExampleGen, " in rest
    assert "To resume, run the same command again." in rest
    assert second.returncode == 1
    assert second.stderr.startswith(f"bigvocab: process {process.pid} on host ")
    killed = tmp_path / "runs" / file.stem / "report" / ".summary.json.0abcdef0.part"
    killed.touch()
    check(file, run(bigvocab, file))
    assert not killed.exists()
    nodes = {node["name"]: node["cached"] for node in summary(file)["nodes"]}
    assert nodes["ExampleGen"]
    assert nodes["Transform"]
    assert not nodes["Trainer"]
