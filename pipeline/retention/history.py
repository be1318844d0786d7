"""Runs of a pipeline and the artifacts that they used, as the metadata store records them.

The functions read the recent runs only. They do not slow down as more runs are recorded, except for the list of runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Literal

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from components.compat.tfx import metadata as tfx_metadata
from components.compat.tfx.channels import artifacts_in
from components.training.warm_start.base_model import trained_on
from pipeline.metadata import record
from pipeline.retention.rule import ALIVE_SECONDS, Model, Run

PRESENT = (pb.Artifact.LIVE, pb.Artifact.MARKED_FOR_DELETION)
_OUTPUTS = (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT)
_INPUTS = (pb.Event.INPUT, pb.Event.DECLARED_INPUT)
_STATES: dict[int, Literal["complete", "running", "ended"]] = {
    pb.Execution.COMPLETE: "complete",
    pb.Execution.RUNNING: "running",
}


class History:
    """Runs and artifacts of one pipeline.

    Args:
        store: Metadata store.
        pipeline: Name of the pipeline. Pipelines of other names may share the store.
    """

    def __init__(self, store: mlmd.MetadataStore, pipeline: str) -> None:
        self.store, self._pipeline = store, pipeline
        self._kinds = {kind.id: kind.name for kind in store.get_artifact_types()}
        self._parts: dict[str, list[pb.Execution]] = {}
        self._used: dict[str, frozenset[int]] = {}

    def runs(self) -> list[Run]:
        """Return all runs of the pipeline."""
        for execution in self.store.get_executions_by_type(record.RUN_TYPE):
            pipeline, _, run_id = execution.name.partition(".")
            if pipeline == self._pipeline:
                self._parts.setdefault(record.main_run(run_id), []).append(execution)
        return [self._run(run_id, parts) for run_id, parts in self._parts.items()]

    def _run(self, run_id: str, parts: list[pb.Execution]) -> Run:
        first = min(parts, key=lambda part: part.id)
        main = [part for part in parts if part.name == f"{self._pipeline}.{run_id}"]
        # The run is recorded after those that ingest its earlier spans, with the first node of its own.
        state = _STATES.get(main[0].last_known_state, "ended") if main else "running"
        return Run(run_id, first.id, first.create_time_since_epoch / 1e3, state)

    def _executions(self, run: Run) -> list[pb.Execution]:
        found = []
        for part in self._parts[run.id]:
            context = tfx_metadata.context_of_run(self.store, part.name.partition(".")[2])
            found += self.store.get_executions_by_context(context.id) if context else []
        return found

    def used(self, run: Run) -> frozenset[int]:
        """Return the ids of the artifacts that the nodes of a run read, wrote, found or reused from the cache."""
        if run.id not in self._used:
            executions = [execution.id for execution in self._executions(run)]
            events = self.store.get_events_by_execution_ids(executions)
            self._used[run.id] = frozenset(event.artifact_id for event in events)
        return self._used[run.id]

    def whole(self, run: Run) -> bool:
        """Return True if the run reached the Pusher, the last node that every run has."""
        artifacts = self.store.get_artifacts_by_id(sorted(self.used(run)))
        pushed = standard_artifacts.PushedModel.TYPE_NAME
        return any(self._kinds[artifact.type_id] == pushed for artifact in artifacts)

    def alive(self, run: Run) -> bool:
        """Return True if a node of the run was recorded recently."""
        latest = max(e.last_update_time_since_epoch for e in [*self._executions(run), *self._parts[run.id]])
        return time.time() - latest / 1e3 < ALIVE_SECONDS

    def present(self) -> dict[int, pb.Artifact]:
        """Return the artifacts that are not recorded as deleted, by id."""
        context = tfx_metadata.context_of_pipeline(self.store, self._pipeline)
        if context is None:
            return {}
        return {artifact.id: artifact for artifact in artifacts_in(self.store, context.id, PRESENT)}

    def blessed(self, present: Iterable[pb.Artifact]) -> list[Model]:
        """Return the blessed models among these artifacts."""
        by_kind: dict[str, list[pb.Artifact]] = {}
        for artifact in present:
            by_kind.setdefault(self._kinds[artifact.type_id], []).append(artifact)
        models = {artifact.id for artifact in by_kind.get(str(standard_artifacts.Model.TYPE_NAME), ())}
        found = {}
        for blessing in by_kind.get(str(standard_artifacts.ModelBlessing.TYPE_NAME), ()):
            model = _value(blessing, constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY).int_value
            blessed = _value(blessing, constants.ARTIFACT_PROPERTY_BLESSED_KEY).int_value == constants.BLESSED_VALUE
            if blessed and model in models:
                found[model] = Model(model, blessing.id, frozenset(trained_on(self.store, model)))
        return list(found.values())

    def last_run_with(self, artifact: int, runs: Iterable[Run]) -> Run | None:
        """Return the newest run in which a node wrote an artifact, or reused it from the cache."""
        by_id = {run.id: run for run in runs}
        found = []
        for execution in self._makers(artifact):
            contexts = self.store.get_contexts_by_execution(execution)
            found += [by_id[id_] for c in contexts if (id_ := record.main_run(c.name)) in by_id]
        return max(found, key=lambda run: run.number, default=None)

    def made_from(self, artifact: int) -> set[int]:
        """Return an artifact and the artifacts that its executions read."""
        events = self.store.get_events_by_execution_ids(self._makers(artifact))
        return {artifact, *(event.artifact_id for event in events if event.type in _INPUTS)}

    def pushed(self, present: Iterable[pb.Artifact]) -> dict[int, str]:
        """Return the folder to which each pushed model among these artifacts was pushed, by the id of the artifact."""
        kind = standard_artifacts.PushedModel.TYPE_NAME
        return {
            artifact.id: _value(artifact, "pushed_destination").string_value
            for artifact in present
            if self._kinds[artifact.type_id] == kind and _value(artifact, "pushed").int_value
        }

    def abandoned(self, node: str, execution: int) -> bool:
        """Return True if an execution of a node of this pipeline left its outputs without completing."""
        found = self.store.get_executions_by_id([execution])
        if not found or found[0].last_known_state in record.DONE:
            return False
        names = {context.name for context in self.store.get_contexts_by_execution(execution)}
        return f"{self._pipeline}.{node}" in names

    def _makers(self, artifact: int) -> list[int]:
        events = self.store.get_events_by_artifact_ids([artifact])
        return sorted({event.execution_id for event in events if event.type in _OUTPUTS})


def _value(artifact: pb.Artifact, name: str) -> pb.Value:
    """Return a property of an artifact, or an empty value.

    Reading a missing key would add it to the artifact, which is written back. On MySQL, ML Metadata aborts the process
    when it writes a property without a value.
    """
    return artifact.custom_properties[name] if name in artifact.custom_properties else pb.Value()
