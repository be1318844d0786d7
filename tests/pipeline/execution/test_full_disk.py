"""Tests of runs on full or read-only file systems."""

import contextlib
import errno
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from ml_metadata import errors as mlmd_errors
from tfx.orchestration.portable.launcher import Launcher

from components.compat.tfx.v1 import v1 as tfx
from pipeline.cli import main
from pipeline.execution import node, results, runner
from pipeline.execution.interruption import Interruption
from pipeline.execution.node import NodeFailed, Outcome
from pipeline.execution.walk import walk
from pipeline.metadata import record
from pipeline.terminal.console import Console

FULL = "No space left on device"
SOME = 1 << 20


@tfx.dsl.components.component
def Small(out: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples]):
    Path(out.uri).mkdir(parents=True, exist_ok=True)
    (Path(out.uri) / "made").write_bytes(b"1")


@tfx.dsl.components.component
def Large(
    given: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    out: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples],
):
    Path(out.uri).mkdir(parents=True, exist_ok=True)
    with (Path(out.uri) / "made").open("wb") as file:
        for _ in range(2 * SOME >> 12):
            file.write(bytes(1 << 12))


def pipeline(folder: Path) -> tfx.dsl.Pipeline:
    small = Small()  # type: ignore[call-arg]
    large = Large(given=small.outputs["out"])  # type: ignore[call-arg]
    store = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))
    return tfx.dsl.Pipeline(
        pipeline_name="two", pipeline_root=str(folder / "artifacts"), components=[small, large], enable_cache=True,
        metadata_connection_config=store,
    )  # fmt: skip


def walked(folder: Path, run_id: str) -> tuple[list[Outcome], NodeFailed | None]:
    return walk(pipeline(folder), run_id, Console(io.StringIO()), Interruption(), {"Large": 2 * SOME})


Disk = Callable[..., Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Yield a function that mounts a file system of a given size. A second call resizes it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def sized(size: int, *options: str) -> Path:
        nonlocal mounted
        settings = ",".join([f"size={size}", *options, *(["remount"] if mounted else [])])
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", settings, "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if made.returncode:
            pytest.skip(f"only root can mount a file system: {made.stderr.strip()}")
        mounted = True
        return folder

    if os.geteuid():
        pytest.skip("only root can mount a file system")
    yield sized
    if mounted:
        # A lazy unmount, because the connection to the metadata store is closed only when Python collects it.
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_node_on_a_full_disk_says_so_in_a_line_and_the_next_run_goes_on_there(disk: Disk) -> None:
    root = disk(SOME)
    outcomes, failure = walked(root, "one")
    assert [outcome.node for outcome in outcomes] == ["Small"]
    assert failure
    assert failure.node == "Large"
    place = re.escape(f"{root}/artifacts/Large")
    assert re.fullmatch(
        rf"{FULL}: {place}\S*; about 2\.1 MB needed, [\d.]+ (bytes|kB) free of 1\.0 MB\. Free some space, or choose "
        r"another --root\.",
        str(failure),
    )
    disk(8 * SOME)
    outcomes, failure = walked(root, "two")
    assert failure is None
    assert [(outcome.node, outcome.cached) for outcome in outcomes] == [("Small", True), ("Large", False)]
    made = Path(outcomes[-1].outputs["out"][0].uri) / "made"
    assert made.stat().st_size == 2 * SOME


def test_outputs_that_cannot_be_recorded_do_not_stay(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill the disk after the executor: the outputs are complete, but the metadata store cannot record them."""
    root, launch = disk(8 * SOME), node.launch

    def fill_and_launch(*arguments: Any) -> int | None:
        def run_executor(launcher: Any, *given: Any) -> Any:
            output = executor(launcher, *given)
            with contextlib.suppress(OSError), (root / "filler").open("wb") as file:
                while file.write(bytes(4096)):
                    file.flush()
            return output

        executor = Launcher._run_executor
        with monkeypatch.context() as patch:
            patch.setattr(Launcher, "_run_executor", run_executor)
            return launch(*arguments)

    monkeypatch.setattr(node, "launch", fill_and_launch)
    outcomes, failure = walked(root, "one")
    assert outcomes == []
    assert str(failure).startswith(f"{FULL}: {root}/metadata.sqlite; 0 bytes free of 8.4 MB")
    assert not [*root.glob("artifacts/*/out/**/made")]
    monkeypatch.setattr(node, "launch", launch)
    (root / "filler").unlink()
    outcomes, failure = walked(root, "two")
    assert failure is None
    assert [outcome.cached for outcome in outcomes] == [False, False]


@pytest.mark.slow
def test_a_disk_too_small_for_the_metadata_store(disk: Disk) -> None:
    root = disk(16 << 10)
    outcomes, failure = walked(root, "one")
    assert outcomes == []
    assert str(failure).startswith(f"{FULL}: {root}/metadata.sqlite; ")
    disk(8 * SOME)
    assert walked(root, "two")[1] is None


@pytest.mark.parametrize("command", ["run", "schema"])
def test_a_root_that_cannot_be_used_is_reported_in_a_line(
    command: str, disk: Disk, capfd: pytest.CaptureFixture[str]
) -> None:
    root = disk(4 << 10)
    (root / "file").write_bytes(bytes(4 << 10))
    assert main([command, "--root", str(root / "runs"), *output(command, root)]) == 1
    assert FULL in printed(capfd)
    disk(SOME, "ro")
    assert main([command, "--root", str(root / "runs"), *output(command, root)]) == 1
    assert printed(capfd) == (
        f"bigvocab: Read-only file system: {root}/runs/.lease/root.1. Mount it writable, or choose another --root.\n"
    )


def output(command: str, folder: Path) -> list[str]:
    return ["-o", str(folder / "schema.pbtxt")] if command == "schema" else []


def printed(capfd: pytest.CaptureFixture[str]) -> str:
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/data/runs"), "Permission denied: /data/runs. Give user "),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/data/runs"), "Disk quota exceeded: /data/runs. Free some "),
        (OSError(errno.ENOSPC, FULL), f"{FULL}: "),
    ],
)
def test_so_it_is_where_it_is_forbidden(
    error: OSError, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert main(["run", "--root", str(tmp_path / "runs")]) == 1
    assert printed(capfd).startswith(f"bigvocab: {line}")


def test_a_root_below_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["run", "--root", str(tmp_path / "file")]) == 1
    assert (
        printed(capfd) == f"bigvocab: {tmp_path / 'file'} is not a folder, or is inside a file: choose another --root\n"
    )
    assert main(["run", "--root", str(tmp_path / "file" / "runs")]) == 1
    assert "is not a folder, or is inside a file" in printed(capfd)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, FULL)


def test_neither_the_store_nor_the_log_hides_why_a_node_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def launch(*_: object) -> Outcome:
        raise ValueError("the cause")

    monkeypatch.setattr(node, "_launch", launch)
    monkeypatch.setattr(record, "mark_failed", full)
    monkeypatch.setattr(record, "mark_run", full)
    _, failure = walked(tmp_path, "one")
    assert str(failure) == "ValueError: the cause"


def test_a_store_that_fills_up_fails_the_node_that_writes_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def taken_up(*_: object) -> None:
        raise mlmd_errors.InternalError("Error when executing query: database or disk is full query: COMMIT;")

    monkeypatch.setattr(record, "take_up", taken_up)
    _, failure = walked(tmp_path, "one")
    assert failure
    assert failure.node == "Small"
    assert str(failure).startswith(f"{FULL}: {tmp_path}/metadata.sqlite; ")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("OSError: [Errno 28] No space left on device [while running 'Write']"), FULL),
        (tf.errors.ResourceExhaustedError(None, None, "/data/model/part; No space left on device"), FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/data/part"), "Disk quota exceeded"),
        (OSError(errno.EFBIG, "File too large", "/data/part"), "File too large"),
    ],
)
def test_the_line_of_a_node_has_the_bytes_that_it_needs(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def launch(*_: object) -> Outcome:
        raise error

    monkeypatch.setattr(node, "_launch", launch)
    ir = node.compiled(pipeline(tmp_path), "one")
    with pytest.raises(NodeFailed) as raised:
        node.run_node(ir, ir.nodes[1].pipeline_node, needed=2 * SOME)
    assert raised.value.node == "Large"
    assert re.match(rf"{line}: /\S+; about 2\.1 MB needed", str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("failure", [None, NodeFailed("Trainer", f"{FULL}: /data; 0 bytes free of 12.6 MB.", 1.0)])
def test_a_report_that_cannot_be_written_hides_nothing(
    failure: NodeFailed | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def walk_to_the_failure(*_: object) -> tuple[list[Outcome], NodeFailed | None]:
        return [], failure

    monkeypatch.setattr(results, "write_report", full)
    monkeypatch.setattr(runner, "walk", walk_to_the_failure)
    assert main(["run", "--root", str(tmp_path)]) == 1
    out, err = capfd.readouterr()
    assert err == ""
    assert "Traceback" not in out
    if failure:
        assert f"\nTrainer failed. {failure}\nNo report was written.\n" in out
    else:
        assert f"\nAll nodes are complete, but no report was written. {FULL}: {tmp_path}/report; " in out
    assert "Traceback" in caplog.text


def test_a_log_on_a_full_disk_does_not_turn_up_on_the_terminal() -> None:
    """Write to `/dev/full`, a disk that is always full."""
    script = """
import logging, sys
from pathlib import Path
from pipeline.terminal.console import Console
from pipeline.terminal.redirection import everything_into
with everything_into(Path("/dev/full")) as streams:
    sys.stdout.write("noise")
    logging.error("more noise")
    Console(streams.out).line("for people")
print("after")
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "for people\nafter\n", "")


def test_an_unexpected_error_leaves_its_trace_in_the_log_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("nobody knows why")

    monkeypatch.setattr(runner, "walk", fail)
    with pytest.raises(SystemExit) as ended:
        main(["run", "--root", str(tmp_path)])
    assert ended.value.code == 1
    out, err = capfd.readouterr()
    assert err == ""
    assert "\nBigVocab stopped: LookupError: nobody knows why\nLog: " in out
    assert "Traceback" not in out
    assert "Traceback" in caplog.text
