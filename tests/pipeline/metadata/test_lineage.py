"""Tests of the origin of a pushed version, as a metadata store records it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from components.choices import Choices, write_choices
from pipeline.metadata.lineage import lineage


class Root:
    """Root with a metadata store, as runs write it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(folder / "metadata.sqlite")
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = mlmd.MetadataStore(config)

    def artifact(self, kind: str, place: str, **properties: str) -> pb.Artifact:
        """Return a new artifact, which is in no store yet."""
        type_id = self.store.put_artifact_type(pb.ArtifactType(name=kind))
        made = pb.Artifact(type_id=type_id, uri=str(self.folder / "artifacts" / place))
        for name, value in properties.items():
            made.custom_properties[name].string_value = value
        return made

    def execute(
        self, node: str, inputs: dict[str, pb.Artifact], outputs: dict[str, pb.Artifact], **properties: str
    ) -> None:
        """Record an execution, and give the artifacts their ids."""
        execution = pb.Execution(type_id=self.store.put_execution_type(pb.ExecutionType(name=node)))
        for name, value in properties.items():
            execution.custom_properties[name].string_value = value
        pairs = []
        for kind, artifacts in ((pb.Event.INPUT, inputs), (pb.Event.OUTPUT, outputs)):
            for key, artifact in artifacts.items():
                event = pb.Event(type=kind)
                event.path.steps.add(key=key)
                pairs.append((artifact, event))
        _, ids, _ = self.store.put_execution(execution, pairs, [])
        for (artifact, _), of in zip(pairs, ids, strict=True):
            artifact.id = of


def pushed(root: Root, version: int, trainer: dict[str, Any], choices: Choices) -> Path:
    """Record a training and a push, and return the folder of the version."""
    folder = root.folder / "artifacts" / "choices" / str(version)
    folder.mkdir(parents=True)
    write_choices(str(folder), choices)
    found = root.artifact("HyperParameters", f"choices/{version}")
    root.execute("bigvocab.Defaults", {}, {"choices": found})
    model = root.artifact("Model", f"Trainer/model/{version}")
    custom = json.dumps({"trainer": json.dumps(trainer), "vocabulary": "{}", "data": '{"shape": "sequence"}'})
    root.execute("bigvocab.Trainer", {"hyperparameters": found}, {"model": model}, custom_config=custom)
    place = root.folder / "serving" / str(version)
    place.mkdir(parents=True)
    copy = root.artifact("PushedModel", f"Pusher/{version}", pushed_destination=str(place))
    root.execute("bigvocab.Pusher", {"model": model}, {"pushed_model": copy})
    return place


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def test_a_search_overrides_the_configuration_and_that_the_defaults(root: Root) -> None:
    defaults = Choices({"epochs": 3.0, "batch": 64, "learning_rate": 0.1}, {"min_count": 2}, "for words")
    tuned = Choices(**{**vars(defaults), "tuned": {"learning_rate": 0.3}})
    keys = {"batch": 128, "learning_rate": 0.2}
    as_configured, searched = pushed(root, 1, keys, defaults), pushed(root, 2, keys, tuned)

    found = []
    for version in (as_configured, searched):
        origin = lineage(root.folder, version)
        assert origin is not None
        found.append(origin.settings)
    assert [each["trainer"]["learning_rate"] for each in found] == [0.2, 0.3]
    assert [each["trainer"]["batch"] for each in found] == [128, 128]
    assert [each["trainer"]["epochs"] for each in found] == [3.0, 3.0]
    assert [each["vocabulary"]["min_count"] for each in found] == [2, 2]
    assert lineage(root.folder, root.folder / "serving" / "3") is None
