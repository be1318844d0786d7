"""Tests of the loop over nodes, with a pipeline of two small nodes."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.compat.tfx.v1 import v1 as tfx
from pipeline.execution.interruption import Interruption
from pipeline.execution.node import NodeFailed, Outcome, compiled, run_node
from pipeline.execution.runner import only_run
from pipeline.execution.walk import walk
from pipeline.lease.acquisition import RootInUse
from pipeline.terminal.console import Console
from tests.forks import ForkServer
from tests.pipeline import commands


@tfx.dsl.components.component
def First(
    out: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples],
):
    Path(out.uri).mkdir(parents=True, exist_ok=True)
    if "DIES" in os.environ:
        (Path(out.uri) / "half").write_text("1")
        os.kill(os.getpid(), signal.SIGKILL)
    (Path(out.uri) / "made").write_text("1")


@tfx.dsl.components.component
def Second(
    given: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    allowed: tfx.dsl.components.Parameter[str],
):
    if not Path(allowed).exists():
        raise ValueError(f"{allowed} is not there")
    assert (Path(given.uri) / "made").exists()


def pipeline(folder: Path) -> tfx.dsl.Pipeline:
    first = First()  # type: ignore[call-arg]
    second = Second(given=first.outputs["out"], allowed=str(folder / "allowed"))  # type: ignore[call-arg]
    return tfx.dsl.Pipeline(
        pipeline_name="two",
        pipeline_root=str(folder / "artifacts"),
        components=[first, second],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.sqlite")
        ),
    )


def walk_quietly(folder: Path, run_id: str) -> tuple[list[Outcome], NodeFailed | None, str]:
    terminal = io.StringIO()
    outcomes, failure = walk(pipeline(folder), run_id, Console(terminal), Interruption())
    return outcomes, failure, terminal.getvalue()


def test_a_failed_node_ends_the_run_with_its_cause_and_the_next_run_goes_on_there(tmp_path: Path) -> None:
    outcomes, failure, shown = walk_quietly(tmp_path, "one")
    assert [o.node for o in outcomes] == ["First"]
    assert failure
    assert failure.node == "Second"
    assert str(failure) == f"ValueError: {tmp_path / 'allowed'} is not there"
    assert "Second" in shown
    assert "failed" in shown

    (tmp_path / "allowed").touch()
    outcomes, failure, shown = walk_quietly(tmp_path, "two")
    assert failure is None
    assert [(o.node, o.cached) for o in outcomes] == [("First", True), ("Second", False)]
    made = Path(outcomes[0].outputs["out"][0].uri) / "made"
    assert made.exists(), "a cached node's outputs are those of the run that made them"

    outcomes, failure, shown = walk_quietly(tmp_path, "three")
    assert all(o.cached for o in outcomes)
    assert shown.count("cached") == 2


def run_first(folder: str) -> None:
    """Run the first node in a run that is always the same. A job of the fork server."""
    ir = compiled(pipeline(Path(folder)), "one")
    run_node(ir, ir.nodes[0].pipeline_node)


@pytest.mark.slow
def test_a_node_that_was_killed_leaves_nothing_to_its_next_try(forks: ForkServer, tmp_path: Path) -> None:
    """Check a retry as for pods: in the same run, in which TFX gives the retry the same folders."""

    def ran(**environment: str) -> int:
        job = forks.start(run_first, str(tmp_path), out=log, err=log, environment=environment, modules=commands.MODULES)
        return job.result()

    log = tmp_path / "log"
    assert ran(DIES="1") == -signal.SIGKILL, log.read_text()
    (half,) = (tmp_path / "artifacts").rglob("half")
    assert ran() == 0, log.read_text()
    assert not half.exists()
    assert (half.parent / "made").exists()


def test_one_run_at_a_time_under_a_root(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("1")  # A root of an earlier release.
    used = rf"process {os.getpid()} on host .* \(bigvocab run, started .*, run one\) uses {tmp_path}: wait for it"
    with (
        only_run(tmp_path, "bigvocab run", "one"),
        pytest.raises(RootInUse, match=used),
        only_run(tmp_path, "bigvocab schema", "two"),
    ):
        pass
    with only_run(tmp_path, "bigvocab run", "three"):
        pass


def test_everything_but_the_console_goes_into_the_log(tmp_path: Path) -> None:
    script = f"""
import subprocess, sys
from pathlib import Path
from pipeline.terminal.console import Console
from pipeline.terminal.redirection import everything_into
with everything_into(Path({str(tmp_path / "log")!r})) as streams:
    print("python noise")
    print("more noise", file=sys.stderr)
    subprocess.run([sys.executable, "-c", "print('noise of a child')"])
    Console(streams.out).line("for people")
print("after")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "for people\nafter\n"
    assert result.stderr == ""
    log = (tmp_path / "log").read_text()
    assert all(noise in log for noise in ("python noise", "more noise", "noise of a child"))


def test_an_interruption_that_got_lost_in_a_node_ends_the_run_after_it(tmp_path: Path) -> None:
    (tmp_path / "allowed").touch()
    interruption = Interruption()
    with pytest.raises(KeyboardInterrupt):
        interruption.request()
    terminal = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        walk(pipeline(tmp_path), "one", Console(terminal), interruption)
    assert "First" in terminal.getvalue()
    assert "Second" not in terminal.getvalue()


def test_a_node_that_an_interruption_made_fail_has_not_failed(tmp_path: Path) -> None:
    """Check an interruption inside a library that raises another exception in its place, as Beam does."""
    interruption, terminal = Interruption(), io.StringIO()

    class Interrupted(Console):
        def started(self, node: str) -> None:
            super().started(node)
            if node == "Second":
                with contextlib.suppress(KeyboardInterrupt):
                    interruption.request()

    with pytest.raises(KeyboardInterrupt):
        walk(pipeline(tmp_path), "one", Interrupted(terminal), interruption)
    assert "First" in terminal.getvalue()
    assert "failed" not in terminal.getvalue().lower()
