"""Tests of one pod, in this process and without its node."""

from __future__ import annotations

import contextlib
import errno
import io
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.loading import load
from pipeline.execution import node, pod, spans
from pipeline.execution.interruption import Interruption
from pipeline.execution.pod import Pod
from pipeline.nodes import node_names

FULL = "No space left on device"


def example_gen(root: Path) -> Pod:
    return Pod("ExampleGen", load("decades"), str(root), "one")


LIGHT = """
import sys
from pipeline.cli import main
assert main(["run-node", "ImportSchemaGen", "--root", sys.argv[1], "--run-id", "one"]) == 0
heavy = {"google.cloud.aiplatform", "keras_tuner", "kubernetes", "sklearn", "tfx.components.trainer.component"}
assert not heavy & {*sys.modules}, heavy & {*sys.modules}
"""


def built(ir: Any) -> list[str]:
    return [entry.pipeline_node.node_info.id for entry in ir.nodes]


@pytest.mark.slow
def test_a_pod_does_not_import_the_code_of_later_steps(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIGHT, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "last"), [("ExampleGen", "StatisticsGen"), ("RollingRange", "ExampleValidator")])
def test_a_pod_builds_its_step_and_those_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, last: str
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(pod, "_run_one", lambda *arguments: seen.extend(built(arguments[3])) or 0)
    monkeypatch.setattr(spans, "ingest_earlier", lambda *_: None)
    config = load("decades")
    assert pod.run(Pod(name, config, str(tmp_path), "one"), io.StringIO()) == 0
    names = node_names(config)
    assert sorted(seen) == sorted(names[: names.index(last) + 1])


def test_the_report_of_a_failed_pod_has_the_nodes_of_all_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(*_: object) -> None:
        raise node.NodeFailed("ImportSchemaGen", "no schema", 1.0)

    seen: list[str] = []
    monkeypatch.setattr(node, "run_node", fails)
    monkeypatch.setattr(pod, "_report_on", lambda *arguments: seen.extend(built(arguments[2])))
    config = load()
    assert pod.run(Pod("ImportSchemaGen", config, str(tmp_path), "one"), io.StringIO()) == 1
    assert sorted([*seen, "Report"]) == sorted(node_names(config))


def test_a_signal_that_got_lost_in_an_earlier_span_ends_the_pod(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ingest_earlier(*arguments: object) -> None:
        interruption = arguments[-1]
        assert isinstance(interruption, Interruption)
        with contextlib.suppress(KeyboardInterrupt):  # A callback in native code drops the exception like this.
            signal.raise_signal(signal.SIGTERM)
        interruption.check()

    monkeypatch.setattr(spans, "ingest_earlier", ingest_earlier)
    monkeypatch.setattr(pod, "_run_one", lambda *_: 0)
    out = io.StringIO()
    assert pod.run(example_gen(tmp_path), out) == 130
    assert "ExampleGen was interrupted" in out.getvalue()


def test_a_full_volume_is_reported_first_also_where_the_reason_cannot_be_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, FULL)

    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setattr(pod, "TERMINATION_LOG", log)
    monkeypatch.setattr(spans, "ingest_earlier", full)
    monkeypatch.setattr(Path, "write_text", full)
    assert pod.run(example_gen(tmp_path), io.StringIO()) == 1
    assert capsys.readouterr().err.startswith(f"ExampleGen failed. {FULL}: {tmp_path}; ")
