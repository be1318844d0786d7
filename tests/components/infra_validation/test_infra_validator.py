"""Tests of the node: child process, requests and blessing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils, standard_artifacts

from components.infra_validation import executor, process
from components.infra_validation.component import infra_validator
from components.infra_validation.executor import InfraValidatorExecutor, NotTried, read_cause
from components.infra_validation.verdict import Verdict

Export = Callable[..., Path]
Validate = Callable[[Path], standard_artifacts.InfraBlessing]
_MEMORY_MB = 3_072


@pytest.fixture
def validate(tmp_path: Path, rows: list[tf.train.Example]) -> Validate:
    """Return a function that runs the executor on an export, with the properties of the node."""
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "examples")
    examples.split_names = artifact_utils.encode_split_names(["test"])
    _write(tmp_path / "examples", rows)

    def run(path: Path) -> standard_artifacts.InfraBlessing:
        model, blessing = standard_artifacts.Model(), standard_artifacts.InfraBlessing()
        model.uri = str(path.parent)
        path.rename(path.parent / "Format-Serving")
        blessing.uri = str(tmp_path / "blessing")
        node = infra_validator(_channel(standard_artifacts.Model), _channel(standard_artifacts.Examples), "1")
        context = base_executor.BaseExecutor.Context(tmp_dir=str(tmp_path / "tmp"), unique_id="1")
        InfraValidatorExecutor(context).Do(
            {"model": [model], "examples": [examples]}, {"blessing": [blessing]}, node.exec_properties
        )
        return blessing

    return run


def _write(examples: Path, rows: Sequence[tf.train.Example]) -> None:
    folder = examples / "Split-test"
    folder.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "data-00000-of-00001.gz"), "GZIP") as file:
        for row in rows:
            file.write(row.SerializeToString())


def _channel(kind: type[types.Artifact]) -> types.BaseChannel:
    return types.Channel(type=kind)


def _is_refused(blessing: types.Artifact) -> bool:
    files = sorted(path.name for path in Path(blessing.uri).iterdir())
    return not model_utils.is_infra_validated(blessing) and files == ["INFRA_NOT_BLESSED", "cause.txt"]


@pytest.mark.slow
def test_a_good_model_is_blessed(export: Export, validate: Validate) -> None:
    path = export()
    blessing = validate(path)
    assert model_utils.is_infra_validated(blessing)
    assert [path.name for path in Path(blessing.uri).iterdir()] == ["INFRA_BLESSED"]
    assert read_cause(blessing.uri) is None
    assert blessing.get_string_custom_property("current_model") == str(path.parent)


@pytest.mark.slow
def test_a_broken_export_is_refused_with_its_cause_and_the_log(export: Export, validate: Validate) -> None:
    path = export("table")
    blessing = validate(path)
    assert _is_refused(blessing)
    assert "assets/labels" in (read_cause(blessing.uri) or "")
    assert "Traceback" in Path(blessing.uri, "cause.txt").read_text()
    assert blessing.get_string_custom_property("current_model") == str(path.parent)


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """Return a list of the verdicts of the next children. No child is started."""
    waiting: list[Verdict] = []
    monkeypatch.setattr(executor, "try_in_child", lambda *_: (waiting.pop(0), ""))
    return waiting


def test_a_child_that_dies_is_started_again(export: Export, validate: Validate, verdicts: list[Verdict]) -> None:
    verdicts += [Verdict(cause="ended by signal 9"), Verdict(ok=True)]
    assert model_utils.is_infra_validated(validate(export()))
    assert not verdicts


def test_a_child_that_dies_twice_is_the_models_fault(
    export: Export, validate: Validate, verdicts: list[Verdict]
) -> None:
    verdicts += [Verdict(cause="ended by signal 9"), Verdict(cause="ended by signal 11\nat its end")]
    blessing = validate(export())
    assert _is_refused(blessing)
    assert read_cause(blessing.uri) == "ended by signal 11 at its end"


def test_a_refusal_is_final(export: Export, validate: Validate, verdicts: list[Verdict]) -> None:
    verdicts += [
        Verdict(ok=False, cause="request 1: output 'labels' holds 'No space left on device'"),
        Verdict(ok=True),
    ]
    blessing = validate(export())
    assert _is_refused(blessing)
    assert len(verdicts) == 1


def test_a_full_disk_is_no_fault_of_the_model(
    export: Export, validate: Validate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that the model is neither refused nor blessed: the node fails, and can run again later."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(process, "start", full)
    with pytest.raises(OSError, match="No space left on device"):
        validate(export())


def test_a_disk_that_is_full_for_the_child_is_no_fault_of_the_model(
    export: Export, validate: Validate, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = "Traceback ...\nOSError: [Errno 28] No space left on device: '/tmp/verdict'\n"
    monkeypatch.setattr(executor, "try_in_child", lambda *_: (Verdict(cause="ended with status 1"), log))
    with pytest.raises(NotTried, match="cannot try the model: No space left on device: /tmp/verdict"):
        validate(export())
    monkeypatch.setattr(executor, "try_in_child", lambda *_: (Verdict(cause="ended with status 1"), ""))
    monkeypatch.setattr(executor, "is_full", lambda _: True)
    with pytest.raises(NotTried, match="cannot try the model: /.* is full: "):
        validate(export())
    monkeypatch.setattr(
        executor, "try_in_child", lambda *_: (Verdict(ok=False, is_of_storage=True, cause="denied"), "")
    )
    with pytest.raises(NotTried, match="cannot try the model: denied"):
        validate(export())


def test_examples_without_rows_are_no_fault_of_the_model(export: Export, validate: Validate, tmp_path: Path) -> None:
    _write(tmp_path / "examples", [])
    with pytest.raises(NotTried, match="no rows in split 'test': /"):
        validate(export())
    (tmp_path / "examples" / "Split-test" / "data-00000-of-00001.gz").unlink()
    with pytest.raises(NotTried, match="no rows in split 'test': /"):
        validate(export())


def test_rows_are_from_the_whole_split(
    export: Export, validate: Validate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [tf.train.Example() for _ in range(25)]
    for number, row in enumerate(rows):
        row.features.feature["number"].int64_list.value.append(number)
    _write(tmp_path / "examples", rows)
    asked: list[bytes] = []

    def keep(_: str, records: list[bytes], __: int) -> tuple[Verdict, str]:
        asked.extend(records)
        return Verdict(ok=True), ""

    monkeypatch.setattr(executor, "try_in_child", keep)
    validate(export())
    numbers = [tf.train.Example.FromString(record).features.feature["number"].int64_list.value[0] for record in asked]
    assert numbers == [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]


def _python(code: str) -> Callable[..., subprocess.Popen[bytes]]:
    """Return a stub for `process.start` whose child runs `code`."""

    def start(model: str, rows: Path, verdict: Path, memory_mb: int, log: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", code, str(verdict)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)

    return start


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("import os; print('out', flush=True); os.kill(os.getpid(), 9)", "ended by signal 9"),
        ("import sys; print('out'); sys.exit(3)", "ended with status 3"),
        ("print('out')", "ended with status 0"),
    ],
)
def test_a_child_that_dies_has_no_verdict(monkeypatch: pytest.MonkeyPatch, code: str, end: str) -> None:
    monkeypatch.setattr(process, "start", _python(code))
    verdict, log = process.try_in_child("model", [b"row"], _MEMORY_MB)
    assert verdict == Verdict(cause=f"starting: the process that tries the model {end}")
    assert log == "out\n"


def test_the_step_at_which_a_child_dies_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = Verdict(step="request 3 of 5").model_dump_json()
    monkeypatch.setattr(
        process, "start", _python(f"import sys; open(sys.argv[1], 'w').write({verdict!r}); sys.exit(1)")
    )
    verdict, _ = process.try_in_child("model", [b"row"], _MEMORY_MB)
    assert (verdict.ok, verdict.cause) == (None, "request 3 of 5: the process that tries the model ended with status 1")


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SECONDS", 0.0)
    children = _kept(monkeypatch, _python("import sys; sys.stdin.read()"))
    verdict, _ = process.try_in_child("model", [b"row"], _MEMORY_MB)
    assert verdict == Verdict(cause="starting: the process that tries the model took longer than 0 s")
    assert children[0].returncode == -9


def test_a_child_is_ended_when_its_parent_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    children = _kept(monkeypatch, _python("import sys; sys.stdin.read()"))

    def interrupted(self: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(subprocess.Popen, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            process.try_in_child("model", [b"row"], _MEMORY_MB)
    assert children[0].wait() == -9


def _kept(
    monkeypatch: pytest.MonkeyPatch, start: Callable[..., subprocess.Popen[bytes]]
) -> list[subprocess.Popen[bytes]]:
    """Return a list of the children that `start` starts instead of `process.start`."""
    children: list[subprocess.Popen[bytes]] = []

    def started(*arguments: Any) -> subprocess.Popen[bytes]:
        children.append(start(*arguments))
        return children[-1]

    monkeypatch.setattr(process, "start", started)
    return children


@pytest.mark.slow
def test_a_model_that_takes_too_much_memory_is_refused(export: Export, rows: list[tf.train.Example]) -> None:
    verdict, log = process.try_in_child(str(export()), [row.SerializeToString() for row in rows], memory_mb=1)
    assert not verdict.ok, log
    assert verdict.cause


@pytest.mark.slow
def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows")  # The child would wait for rows for ever.
    with (
        (tmp_path / "log").open("wb") as log,
        process.start("model", tmp_path / "rows", tmp_path / "verdict", _MEMORY_MB, log) as child,
    ):
        assert child.stdin is not None
        child.stdin.close()  # The system does the same if the parent dies.
        assert child.wait() == 1
    assert "Traceback" not in (tmp_path / "log").read_text()
