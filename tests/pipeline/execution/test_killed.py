"""Tests of what a killed run leaves behind."""

import io
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.compat.tfx.v1 import v1 as tfx
from pipeline.execution import node
from pipeline.execution.interruption import Interruption
from pipeline.execution.walk import walk
from pipeline.metadata import record
from pipeline.terminal.console import Console

State = mlmd.Execution


class Killed(BaseException):
    """End of a process, of which nothing is recorded."""


@tfx.dsl.components.component
def Written(out: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples]):
    Path(out.uri).mkdir(parents=True, exist_ok=True)
    (Path(out.uri) / "part").write_text("half")
    if not Path(out.uri).parents[3].joinpath("goes on").exists():
        raise Killed


@tfx.dsl.components.component
def Trained(model_run: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ModelRun]):
    folder = Path(model_run.uri)
    (folder / "train").mkdir(parents=True)
    for name in ("train/events", ".training.json.0abcdef0.part"):
        (folder / name).touch()
    if not folder.parents[3].joinpath("goes on").exists():
        raise Killed


def pipeline(folder: Path, name: str = "killed", component: Any = Written) -> tfx.dsl.Pipeline:
    return tfx.dsl.Pipeline(
        pipeline_name=name, pipeline_root=str(folder / "artifacts"),
        components=[component()],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder.parent / "metadata.sqlite")
        ),
    )  # fmt: skip


def states(folder: Path) -> dict[str, list[int]]:
    """Return the states of all executions of a type, oldest first, by the type."""
    with node.opened(node.compiled(pipeline(folder), "any")) as handle:
        types = {kind.id: kind.name.rpartition(".")[2] for kind in handle.store.get_execution_types()}
        found: dict[str, list[int]] = {}
        for execution in sorted(handle.store.get_executions(), key=lambda execution: execution.id):
            found.setdefault(types[execution.type_id], []).append(execution.last_known_state)
    return found


def walked(folder: Path, run_id: str, component: Any = Written) -> None:
    folder.mkdir(exist_ok=True)
    walk(pipeline(folder, component=component), run_id, Console(io.StringIO()), Interruption())


def outputs(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("artifacts/*/out/*/part"))


def test_next_run_ends_a_killed_one(tmp_path):
    root = tmp_path / "root"
    with pytest.raises(Killed):
        walked(root, "first")
    (root / "goes on").touch()
    assert states(root) == {"Run": [State.RUNNING], "Written": [State.RUNNING]}
    assert len(outputs(root)) == 1
    half = outputs(root)
    walked(root, "second")
    assert states(root) == {
        "Run": [State.FAILED, State.COMPLETE], "Written": [State.FAILED, State.COMPLETE]
    }  # fmt: skip
    assert outputs(root) != half
    assert len(outputs(root)) == 1
    assert not [*root.glob("artifacts/*/.system/stateful_working_dir/*")]


def test_logs_of_a_killed_training_remain_without_partial_files(tmp_path):
    root = tmp_path / "root"
    with pytest.raises(Killed):
        walked(root, "first", Trained)
    (killed,) = root.glob("artifacts/Trained/model_run/*")
    (root / "goes on").touch()
    walked(root, "second", Trained)
    assert sorted(path.name for path in killed.rglob("*")) == ["events", "train"]


def test_runs_of_other_roots_in_the_same_store_go_on(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    with pytest.raises(Killed):
        walked(theirs, "theirs")
    ours.mkdir()
    (ours / "goes on").touch()
    walked(ours, "ours")
    assert states(ours) == {
        "Run": [State.RUNNING, State.COMPLETE], "Written": [State.RUNNING, State.COMPLETE]
    }  # fmt: skip
    assert len(outputs(theirs)) == 1


def test_cause_of_a_killed_node_is_recorded(tmp_path):
    root = tmp_path / "root"
    with pytest.raises(Killed):
        walked(root, "first")
    (root / "goes on").touch()
    walked(root, "second")
    ir = node.compiled(pipeline(root), "first")
    with node.opened(ir) as handle:
        (found,) = record.node_records(handle, ir)
    assert (found.state, found.cause) == ("failed", "the process was killed")
