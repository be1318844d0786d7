"""The whole node's executor: a child process, real requests, the blessing."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from tfx import types
from tfx.components.infra_validator import error_types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils, standard_artifacts

from components.infra_validation.component import infra_validator
from components.infra_validation.executor import Executor, read_cause
from components.infra_validation.process import ChildProcessRunner

Export = Callable[..., Path]


@pytest.fixture
def validate(tmp_path: Path, rows: list[tf.train.Example]) -> Callable[..., standard_artifacts.InfraBlessing]:
    """Runs the executor over an export, with the properties of the real node."""
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "examples")
    examples.split_names = artifact_utils.encode_split_names(["test"])
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    (tmp_path / "examples" / "Split-test").mkdir(parents=True)
    with tf.io.TFRecordWriter(str(tmp_path / "examples" / "Split-test" / "data-00000-of-00001.gz"), "GZIP") as file:
        for row in rows:
            file.write(row.SerializeToString())

    def run(path: Path, tries: int = 1) -> standard_artifacts.InfraBlessing:
        model, blessing = standard_artifacts.Model(), standard_artifacts.InfraBlessing()
        model.uri = str(path.parent)
        path.rename(path.parent / "Format-Serving")
        blessing.uri = str(tmp_path / "blessing")
        node = infra_validator(
            _channel(standard_artifacts.Model), _channel(standard_artifacts.Examples), "1", tries=tries
        )
        context = base_executor.BaseExecutor.Context(tmp_dir=str(tmp_path / "tmp"), unique_id="1")
        Executor(context).Do({"model": [model], "examples": [examples]}, {"blessing": [blessing]}, node.exec_properties)
        return blessing

    return run


def _channel(kind: type[types.Artifact]) -> types.BaseChannel:
    return types.Channel(type=kind)


def test_a_good_model_is_blessed(export: Export, validate: Callable[..., types.Artifact]) -> None:
    path = export()
    blessing = validate(path)
    assert model_utils.is_infra_validated(blessing)
    assert [path.name for path in Path(blessing.uri).iterdir()] == ["INFRA_BLESSED"]
    assert read_cause(blessing.uri) is None
    assert blessing.get_string_custom_property("current_model") == str(path.parent)


@pytest.mark.parametrize(
    ("fault", "cause"), [("table", "assets/labels"), ("signature", "predict could not be found"), ("nan", "NaN")]
)
def test_a_broken_export_is_refused_with_its_cause(
    export: Export, validate: Callable[..., types.Artifact], fault: str, cause: str
) -> None:
    blessing = validate(export(fault))
    assert not model_utils.is_infra_validated(blessing)
    assert sorted(path.name for path in Path(blessing.uri).iterdir()) == ["INFRA_NOT_BLESSED", "cause.txt"]
    assert cause in (read_cause(blessing.uri) or "")


def test_a_full_disk_is_no_fault_of_the_model(
    export: Export, validate: Callable[..., types.Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither refused nor blessed: the node fails, and is run again when there is space."""

    def full(_: ChildProcessRunner) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ChildProcessRunner, "Start", full)
    with pytest.raises(error_types.GracefulShutdown, match="could not be tried: No space left on device: /"):
        validate(export(), tries=2)


def test_a_child_that_dies_ends_the_wait(export: Export) -> None:
    runner = ChildProcessRunner(str(export()))
    runner.Start()
    try:
        assert runner._process is not None
        os.kill(runner._process.pid, signal.SIGKILL)
        with pytest.raises(Exception, match="ended with -9"):
            runner.WaitUntilRunning(time.time() + 60)
    finally:
        runner.Stop()


def test_the_child_ends_with_its_parent(export: Export) -> None:
    runner = ChildProcessRunner(str(export()))
    runner.Start()
    try:
        process = runner._process
        assert process is not None
        assert process.stdin is not None
        runner.WaitUntilRunning(time.time() + 120)
        process.stdin.close()  # what the system does for a parent that died
        assert process.wait(timeout=60) == 0
    finally:
        runner.Stop()
    assert runner.exit_status() == 0
