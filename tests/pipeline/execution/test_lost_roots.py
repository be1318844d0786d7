"""Tests of runs and pods that find their root in use, or lose it."""

import functools
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from components.compat.tfx.v1 import v1 as tfx
from components.files import write_whole
from pipeline.cli import main
from pipeline.config.loading import load
from pipeline.execution import pod, runner
from pipeline.execution.interruption import Interruption
from pipeline.execution.pod import Pod
from pipeline.execution.walk import walk
from pipeline.lease.acquisition import FOLDER, holding
from pipeline.lease.claims import Claim, latest
from pipeline.lease.holder import Holder, Machine
from pipeline.lease.lease import Lease, LeaseLost
from pipeline.lease.observation import WHOLE, Timing
from pipeline.terminal.console import Console

Tree = dict[str, bytes]
taken: dict[str, Tree] = {}
"""Files under a root at the moment at which it was taken over."""


def tree(root: Path) -> Tree:
    files = (path for path in root.rglob("*") if path.is_file() and path.parent.name != "logs")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def take_over(root: Path, name: str = WHOLE) -> None:
    """Take over a lease, as another machine does after its window."""
    claim = latest(root / FOLDER)[name]
    taker = Holder.this("bigvocab run", "two", Machine("elsewhere", "another boot", "pid:[1]"))
    assert Claim(root / FOLDER, name, claim.number + 1).create(taker, "0")
    claim.path.unlink()
    taken[str(root)] = tree(root)


@pytest.fixture(autouse=True)
def _after_a_long_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a check not trust the last beat."""
    monkeypatch.setattr(Lease, "check", Lease.renew)


@tfx.dsl.components.component
def Overtaken(
    out: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples],
    root: tfx.dsl.components.Parameter[str],
    fails: tfx.dsl.components.Parameter[int],
):
    (Path(out.uri) / "made").write_text("1")
    take_over(Path(root))
    if fails:
        raise ValueError("a cause")


@pytest.mark.parametrize("fails", [0, 1])
def test_a_node_that_outlives_its_lease_changes_neither_the_store_nor_the_outputs(fails: int, tmp_path: Path) -> None:
    store = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="one",
        pipeline_root=str(tmp_path / "artifacts"),
        components=[Overtaken(root=str(tmp_path), fails=fails)],  # type: ignore[call-arg]
        metadata_connection_config=store,
    )

    def work() -> None:
        with runner.only_run(tmp_path, "bigvocab run", "one"):
            walk(pipeline, "one", Console(io.StringIO()), Interruption())

    with pytest.raises(LeaseLost, match=f"on host elsewhere .* has taken over {tmp_path}"):
        work()
    assert tree(tmp_path) == taken[str(tmp_path)]
    assert "metadata.sqlite" in taken[str(tmp_path)]
    assert [path.name for path in tmp_path.glob("artifacts/Overtaken/out/*/*")] == ["made"]


def interrupt(_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("then", [interrupt, lambda root: write_whole(root / "report" / "report.html", "")])
def test_a_run_that_lost_its_root_says_so_and_writes_no_report(
    then: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def lose(*_: object) -> None:
        take_over(tmp_path)
        then(tmp_path)

    monkeypatch.setattr(runner, "walk", lose)
    assert main(["run", "--root", str(tmp_path)]) == 1
    out, err = capfd.readouterr()
    assert "Interrupted" not in out
    assert err.startswith("bigvocab: process ")
    assert "on host elsewhere (bigvocab run, started 2" in err
    assert f"has taken over {tmp_path}, because this process gave no sign of life for 60 s" in err
    assert err.count("\n") == 1
    assert tree(tmp_path) == taken[str(tmp_path)]


@pytest.mark.parametrize("command", [["run", "decades"], ["run"], ["schema", "-o", "schema.pbtxt"]])
def test_a_second_run_is_refused_whatever_its_configuration(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "root"
    with holding(root, WHOLE, "bigvocab run", "one"):
        before = tree(root)
        assert main([*command, "--root", str(root)]) == 1
        assert tree(root) == before
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("bigvocab: process ")
    assert err.endswith(f", run one) uses {root}: wait for it to end, or choose another --root\n")


def test_a_wait_for_a_sign_of_life_can_be_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FOLDER).mkdir()
    holder = Holder.this("bigvocab run", "one", Machine("elsewhere", "another boot", "pid:[1]"))
    assert Claim(tmp_path / FOLDER, WHOLE, 1).create(holder, "0")
    monkeypatch.setattr("pipeline.lease.acquisition.Timing", functools.partial(Timing, wait=interrupt))
    assert main(["run", "--root", str(tmp_path)]) == 130
    assert capfd.readouterr().err == (
        f"bigvocab: {holder} uses {tmp_path}: waiting 60 s for a sign of life from it\n"
        "bigvocab: interrupted before the start\n"
    )


def test_a_pod_waits_for_that_of_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(pod, "_run_step", lambda of, *_: order.append(of.run_id) or 0)
    out = io.StringIO()
    with holding(tmp_path, "Trainer", "bigvocab run-node Trainer", "one") as other:

        def wait(_: float) -> None:
            order.append("waited")
            other.release()

        monkeypatch.setattr("pipeline.lease.acquisition.Timing", functools.partial(Timing, wait=wait))
        assert pod.run(Pod("Evaluator", load(), str(tmp_path), "another node"), out) == 0
        assert pod.run(Pod("Trainer", load(), str(tmp_path), "a worker", workers=2, worker=1), out) == 0
        assert pod.run(Pod("Trainer", load(), str(tmp_path), "two"), out) == 0
    assert order == ["another node", "a worker", "waited", "two"]
    assert out.getvalue().startswith("waiting for process ")
    assert out.getvalue().endswith(f", run one), which uses {tmp_path}\n")


def test_a_pod_that_lost_its_lease_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose(*_: object) -> None:
        take_over(tmp_path, "Trainer")
        write_whole(tmp_path / "report" / "report.html", "")

    monkeypatch.setattr(pod, "_run_step", lose)
    monkeypatch.setattr(pod, "TERMINATION_LOG", tmp_path / "logs" / "reason")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "reason").touch()
    assert pod.run(Pod("Trainer", load(), str(tmp_path), "one"), io.StringIO()) == 1
    assert capsys.readouterr().err.startswith("Trainer failed. process ")
    assert f"has taken over {tmp_path}" in (tmp_path / "logs" / "reason").read_text()
    assert tree(tmp_path) == taken[str(tmp_path)]
