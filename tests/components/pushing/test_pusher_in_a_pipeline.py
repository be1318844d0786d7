"""Tests of the Pusher under TFX's launcher, with its cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.common import importer
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local import local_dag_runner
from tfx.types import standard_artifacts

from components.pushing.component import pusher
from components.pushing.versions import versions


def _run(root: Path, blessed: int = 1) -> tuple[str, int]:
    """Run a pipeline of a model, its two blessings and the Pusher. Return the state of the Pusher and `pushed`."""
    model = str(root / "model")

    def given(name: str, kind: type, **properties: str | int) -> importer.Importer:
        node = importer.Importer(
            source_uri=model if name == "model" else str(root / name), artifact_type=kind, custom_properties=properties
        )
        return node.with_id(name)

    verdict: dict[str, str | int] = {"blessed": blessed, "current_model": model}
    model_node = given("model", standard_artifacts.Model)
    evaluator = given("evaluator", standard_artifacts.ModelBlessing, **verdict)
    infra = given("infra", standard_artifacts.InfraBlessing, blessed=1, current_model=model)
    node = pusher(
        model_node.outputs["result"],
        evaluator.outputs["result"],
        infra.outputs["result"],
        str(root / "serving"),
        code="1",
    )
    connection = metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))
    local_dag_runner.LocalDagRunner().run(
        pipeline.Pipeline(
            pipeline_name="push",
            pipeline_root=str(root / "artifacts"),
            components=[model_node, evaluator, infra, node],
            enable_cache=True,
            metadata_connection_config=connection,
        )
    )
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(root / "metadata.sqlite")
    store = MetadataStore(config)
    kind = store.get_execution_type("components.pushing.component.Pusher").name
    last = max(store.get_executions_by_type(kind), key=lambda execution: execution.id)
    pushed = max(store.get_artifacts_by_type("PushedModel"), key=lambda artifact: artifact.id)
    state = metadata_store_pb2.Execution.State.Name(last.last_known_state)
    return state, pushed.custom_properties["pushed"].int_value


@pytest.fixture
def root(tmp_path: Path) -> Path:
    serving = tmp_path / "model" / "Format-Serving"
    serving.mkdir(parents=True)
    (serving / "saved_model.pb").write_bytes(b"graph")
    return tmp_path


def test_a_deleted_version_is_pushed_again_and_else_the_cache_serves(root: Path) -> None:
    assert _run(root) == ("COMPLETE", 1)
    first = versions(root / "serving")
    assert len(first) == 1
    assert _run(root) == ("CACHED", 1)
    assert versions(root / "serving") == first
    shutil.rmtree(root / "serving")
    assert _run(root) == ("COMPLETE", 1)
    second = versions(root / "serving")
    assert len(second) == 1
    assert _run(root) == ("CACHED", 1)
    assert versions(root / "serving") == second


def test_a_rejected_model_is_not_pushed(root: Path) -> None:
    assert _run(root, blessed=0) == ("COMPLETE", 0)
    assert versions(root / "serving") == []
