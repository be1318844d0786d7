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
from components.pushing.spec import ServingSpec
from components.pushing.versions import rollback, versions


def _run(root: Path, blessed: int = 1, name: str = "model", keep: int | None = None) -> tuple[str, int]:
    """Run a pipeline of a model, its two blessings and the Pusher. Return the state of the Pusher and `pushed`."""
    model = str(root / name)

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
        serving=ServingSpec(keep=keep),
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
    _model(tmp_path, "model")
    return tmp_path


def _model(root: Path, name: str) -> str:
    serving = root / name / "Format-Serving"
    serving.mkdir(parents=True)
    (serving / "saved_model.pb").write_text(f"graph of {name}")
    return name


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


def test_a_rollback_stays_until_a_new_model_is_pushed(root: Path) -> None:
    serving = root / "serving"
    assert _run(root) == ("COMPLETE", 1)
    assert _run(root, name=_model(root, "second")) == ("COMPLETE", 1)
    old, withdrawn = versions(serving)
    current = int(rollback(serving).name)
    assert _run(root, name="second") == ("CACHED", 1)
    assert versions(serving) == [old, withdrawn, current]
    assert _run(root, name="second", keep=3) == ("COMPLETE", 0)  # not from the cache
    shutil.rmtree(serving / str(withdrawn))
    assert _run(root, name="second") == ("COMPLETE", 0)
    assert versions(serving) == [old, current]
    assert _run(root, name=_model(root, "third")) == ("COMPLETE", 1)
    assert versions(serving)[:-1] == [old, current]


def test_the_cache_serves_after_old_versions_were_deleted(root: Path) -> None:
    for name in ("model", _model(root, "second"), _model(root, "third")):
        assert _run(root, name=name, keep=2) == ("COMPLETE", 1)
    left = versions(root / "serving")
    assert len(left) == 2
    assert _run(root, name="third", keep=2) == ("CACHED", 1)
    assert _run(root, keep=2) == ("COMPLETE", 1)  # The version of this model was deleted.
    assert versions(root / "serving")[:-1] == left[1:]
