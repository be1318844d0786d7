"""Origin of a pushed model, as the metadata store of its root records it: its settings and its test rows.

The module reads the SQLite file of a root on this machine, and imports neither TFX nor TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2 as pb

from components.choices import Choices, merged, read_choices
from components.ingest.options.splits import SPLITS
from components.preprocessing.spec import VocabularySpec
from components.pushing import records
from components.spec import Spec
from components.training.spec import TrainerSpec

_OUTPUTS = (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT)
_INPUTS = (pb.Event.INPUT, pb.Event.DECLARED_INPUT)
_CONFIG, _DESTINATION = "custom_config", "pushed_destination"
_SECTIONS = {"data": "data", "vocabulary": "vocabulary", "labels": "labels"}
"""Sections of the configuration that the Trainer records as they are, by the key of its custom configuration."""
_EVALUATION = ("bands", "metrics", "exclude_seen")
"""Keys of the section `evaluation` that the Trainer records."""


@dataclass(frozen=True)
class Lineage:
    """Origin of a pushed model.

    Attributes:
        settings: Sections of the configuration that determine the model, as trees of keys. The defaults are filled in,
            also those that were chosen from the data, and the values that a search found.
        test_rows: Folder with the test rows that the Evaluator measured the model on; None if it was deleted.
    """

    settings: dict[str, Any]
    test_rows: Path | None


def lineage(root: Path, version: Path) -> Lineage | None:
    """Return the origin of a pushed version; None if no store under the root records it.

    Args:
        root: Root of the runs. It may have been moved since.
        version: Folder of the version.
    """
    file = root / "metadata.sqlite"
    if not file.is_file():
        return None
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(file)
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READONLY
    try:
        return _Store(mlmd.MetadataStore(config), root).of(version)
    except (errors.StatusError, RuntimeError):  # No store, or one of another version of ML Metadata.
        return None


class _Store:
    """Lookup in a metadata store.

    Args:
        store: Open store.
        root: Root of the runs.
    """

    def __init__(self, store: mlmd.MetadataStore, root: Path) -> None:
        self._store, self._root = store, root
        self._types = {kind.id: kind.name for kind in store.get_execution_types()}

    def of(self, version: Path) -> Lineage | None:
        """Return the origin of a version."""
        pushes = [a for a in self._store.get_artifacts_by_type("PushedModel") if _pushed_as(a) in _numbers(version)]
        for push in sorted(pushes, key=lambda artifact: artifact.id, reverse=True):
            for model in self._inputs(self._makers(push.id), "model"):
                trainings = [e for e in self._executions(self._makers(model)) if _CONFIG in e.custom_properties]
                if trainings:
                    return Lineage(self._settings(trainings[-1]), self._test_rows(model))
        return None

    def _settings(self, training: pb.Execution) -> dict[str, Any]:
        custom = json.loads(training.custom_properties[_CONFIG].string_value)
        choices = Choices.of(None)
        for artifact in self._artifacts(self._inputs([training.id], "hyperparameters")):
            if (folder := self._here(artifact.uri)).is_dir():
                choices = read_choices(str(folder))
        found = {name: json.loads(custom[key]) for key, name in _SECTIONS.items() if key in custom}
        found["vocabulary"] = _with_defaults(VocabularySpec, merged(found.get("vocabulary", {}), choices.vocabulary))
        found["trainer"] = _with_defaults(TrainerSpec, choices.over(json.loads(custom["trainer"])))
        return {**found, "evaluation": {key: json.loads(custom[key]) for key in _EVALUATION if key in custom}}

    def _test_rows(self, model: int) -> Path | None:
        """Return the folder of the test rows that the model was measured on."""
        readers = [e.execution_id for e in self._store.get_events_by_artifact_ids([model]) if _is_input(e, "model")]
        found = [e.id for e in self._executions(readers) if self._types[e.type_id].endswith(".Evaluator")]
        for artifact in self._artifacts(self._inputs(found, "examples")):
            if (folder := self._here(artifact.uri) / f"Split-{SPLITS[-1]}").is_dir():
                return folder
        return None

    def _here(self, uri: str) -> Path:
        """Return the folder of an artifact, also if the root was moved."""
        if Path(uri).is_dir():
            return Path(uri)
        return self._root / "artifacts" / uri.rpartition("/artifacts/")[2]

    def _makers(self, artifact: int) -> list[int]:
        events = self._store.get_events_by_artifact_ids([artifact])
        return [event.execution_id for event in events if event.type in _OUTPUTS]

    def _inputs(self, executions: Iterable[int], key: str) -> list[int]:
        """Return the ids of the artifacts that executions read under a key."""
        ids = [*executions]
        events = self._store.get_events_by_execution_ids(ids) if ids else []
        return [event.artifact_id for event in events if _is_input(event, key)]

    def _executions(self, ids: Iterable[int]) -> list[pb.Execution]:
        wanted = sorted(set(ids))
        return list(self._store.get_executions_by_id(wanted)) if wanted else []

    def _artifacts(self, ids: Iterable[int]) -> list[pb.Artifact]:
        wanted = sorted(set(ids), reverse=True)
        return list(self._store.get_artifacts_by_id(wanted)) if wanted else []


def _pushed_as(artifact: pb.Artifact) -> str:
    """Return the name of the folder that a model was pushed to; empty if it was not pushed."""
    # A lookup of a missing key would add it to the artifact.
    found = artifact.custom_properties
    place = found[_DESTINATION].string_value if _DESTINATION in found else ""
    return place.rstrip("/").rpartition("/")[2]


def _numbers(version: Path) -> set[str]:
    """Return the number of a version and, after a rollback, of the version that it repeats."""
    record = records.read(version)
    return {version.name, str(record.repeats)} if record and record.repeats else {version.name}


def _is_input(event: pb.Event, key: str) -> bool:
    return event.type in _INPUTS and any(step.key == key for step in event.path.steps)


def _with_defaults(spec: type[Spec], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a section with the defaults of this version; only the set keys if they are not valid here."""
    try:
        return spec.model_validate(keys).model_dump(mode="json")
    except ValueError:  # The encoder of the user is not installed, or a key was renamed.
        return dict(keys)
