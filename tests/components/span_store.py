"""Metadata store in memory, with the executions of runs on spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.types import Artifact, standard_artifacts


class Store:
    """Store that records executions of nodes, one after the other."""

    def __init__(self) -> None:
        config = pb.ConnectionConfig()
        config.fake_database.SetInParent()
        self.mlmd = mlmd.MetadataStore(config)
        self._type = self.mlmd.put_execution_type(pb.ExecutionType(name="node"))

    def ingested(self, span: int, config: str = "data") -> Any:
        """Record that ExampleGen has read a span."""
        examples = standard_artifacts.Examples()
        examples.set_int_custom_property("span", span)
        return self.run(config, [], "examples", examples)

    def cached(self, examples: Artifact, config: str = "data") -> None:
        """Record that ExampleGen has reused an earlier output."""
        self._execution(config, [], "examples", examples, pb.Execution.CACHED)

    def counted(self, examples: Sequence[Artifact], config: str) -> Any:
        """Record that Transform has written a cache."""
        return self.run(config, examples, "updated_analyzer_cache", standard_artifacts.TransformCache())

    def run(self, config: str, inputs: Sequence[Artifact], key: str, output: Any) -> Any:
        """Record that a node has read inputs and written an output."""
        known = self.mlmd.put_artifact_type(output.artifact_type)
        output.mlmd_artifact.type_id = known
        [output.id] = self.mlmd.put_artifacts([output.mlmd_artifact])
        self._execution(config, inputs, key, output, pb.Execution.COMPLETE)
        return output

    def _execution(self, config: str, inputs: Sequence[Artifact], key: str, output: Artifact, state: Any) -> None:
        execution = pb.Execution(type_id=self._type, last_known_state=state)
        execution.custom_properties["custom_config"].string_value = config
        [number] = self.mlmd.put_executions([execution])
        path = pb.Event.Path
        events = [
            pb.Event(
                artifact_id=artifact.id, execution_id=number, type=pb.Event.INPUT,
                path=path(steps=[path.Step(key="examples"), path.Step(index=place)]),
            )
            for place, artifact in enumerate(inputs)
        ]  # fmt: skip
        events.append(
            pb.Event(
                artifact_id=output.id, execution_id=number, type=pb.Event.OUTPUT, path=path(steps=[path.Step(key=key)])
            )
        )
        self.mlmd.put_events(events)
