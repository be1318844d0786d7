"""Tests of the selection of the model for a warm start, from a real metadata store."""

from __future__ import annotations

from typing import Any

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.types import standard_artifacts

from components.training.warm_start.base_model import LastBlessedOnOtherData


def artifact(kind: type, number: int, **properties: int) -> Any:
    made = kind()
    made.id = number
    for name, value in properties.items():
        made.set_int_custom_property(name, value)
    return made


class Runs:
    """Trainings of one pipeline, each on an output of Transform."""

    def __init__(self) -> None:
        config = pb.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = mlmd.MetadataStore(config)
        self._execution = self.store.put_execution_type(pb.ExecutionType(name="Trainer"))
        self._type = self.store.put_artifact_type(pb.ArtifactType(name="Anything"))
        self.models: list[Any] = []
        self.blessings: list[Any] = []

    def graph(self) -> int:
        (number,) = self.store.put_artifacts([pb.Artifact(type_id=self._type)])
        return number

    def trained(self, on: int, blessed: bool = True) -> int:
        model = self.graph()
        (execution,) = self.store.put_executions([pb.Execution(type_id=self._execution)])

        def event(of: int, key: str, kind: pb.Event.Type) -> pb.Event:
            made = pb.Event(artifact_id=of, execution_id=execution, type=kind)
            made.path.steps.add().key = key
            return made

        self.store.put_events([event(on, "transform_graph", pb.Event.INPUT), event(model, "model", pb.Event.OUTPUT)])
        self.models.append(artifact(standard_artifacts.Model, model))
        self.blessings.append(
            artifact(standard_artifacts.ModelBlessing, 1_000 + model, current_model_id=model, blessed=int(blessed))
        )
        return model

    def base(self, graph: int) -> list[int]:
        inputs = {
            "model": self.models,
            "model_blessing": self.blessings,
            "transform_graph": [artifact(standard_artifacts.TransformGraph, graph)],
        }
        found = LastBlessedOnOtherData().resolve_artifacts(self.store, inputs)
        assert len(found["model_blessing"]) == len(found["model"])
        return [model.id for model in found["model"]]


@pytest.fixture
def runs() -> Runs:
    return Runs()


def test_the_first_training_starts_cold(runs: Runs) -> None:
    assert runs.base(runs.graph()) == []


def test_a_repeated_run_finds_what_it_found_before(runs: Runs) -> None:
    first, second = runs.graph(), runs.graph()
    model = runs.trained(first)
    assert runs.base(second) == [model]
    runs.trained(second)
    assert runs.base(second) == [model], "not the model that it has itself made of these data"
    runs.trained(second)
    assert runs.base(second) == [model]


def test_the_newest_blessed_one_is_taken(runs: Runs) -> None:
    runs.trained(runs.graph())
    good = runs.trained(runs.graph())
    runs.trained(runs.graph(), blessed=False)
    assert runs.base(runs.graph()) == [good]
