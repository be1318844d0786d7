"""Histories of small runs in a metadata store, with real folders."""

from __future__ import annotations

from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.types import standard_artifacts

from pipeline.metadata import record
from pipeline.paths import Paths

PIPELINE = "p"
OUTPUTS = {
    "Transform": ("transform_graph", str(standard_artifacts.TransformGraph.TYPE_NAME)),
    "Trainer": ("model", str(standard_artifacts.Model.TYPE_NAME)),
    "Evaluator": ("blessing", str(standard_artifacts.ModelBlessing.TYPE_NAME)),
    "Pusher": ("pushed_model", str(standard_artifacts.PushedModel.TYPE_NAME)),
}
"""Nodes of a run, each of which reads the outputs of all nodes before it."""


class Runs:
    """Recorder of runs.

    Args:
        folder: Root of the runs.
        connection: Connection to an empty store. None: a store in memory.
    """

    def __init__(self, folder: Path, connection: pb.ConnectionConfig | None = None) -> None:
        self.paths = Paths.of(folder)
        self.paths.prepare()
        in_memory = pb.ConnectionConfig(fake_database=pb.FakeDatabaseConfig())
        self.store = mlmd.MetadataStore(connection or in_memory)
        self.used: dict[str, set[int]] = {}
        """Artifacts of each run."""
        self.complete: list[str] = []
        """Complete runs, the oldest first."""
        self._cache: dict[tuple[str, int], int] = {}
        self._kinds = {name: self.store.put_artifact_type(pb.ArtifactType(name=name)) for _, name in OUTPUTS.values()}
        self._node = self.store.put_execution_type(pb.ExecutionType(name="node"))
        self._run = self.store.put_execution_type(pb.ExecutionType(name=record.RUN_TYPE))
        self._contexts: dict[tuple[str, str], int] = {}

    def run(
        self,
        data: int,
        blessed: bool = True,
        dies: str | None = None,
        state: int = pb.Execution.FAILED,
        pushed: bool = True,
    ) -> str:
        """Record a run.

        Args:
            data: Version of the data. Nodes that have completed on the same data are cached, while their outputs exist.
            blessed: Verdict on the model, unless the Evaluator is cached.
            dies: Node that leaves an unfinished folder and ends the run, unless it is cached. None: the run is
                complete.
            state: State of a run that died.
            pushed: Whether a blessed model is pushed.
        """
        run_id = f"{len(self.used):03}"
        if dies and (cached := self._cache.get((dies, data))) and self.present(cached):
            dies = None
        last = pb.Execution.COMPLETE if dies is None else state
        contexts = [self._context("pipeline_run", run_id)]
        self._execution(self._run, last, [], [], contexts, f"{PIPELINE}.{run_id}")
        used: list[int] = []
        self.used[run_id] = set()
        Path(self.paths.logs, f"{run_id}.log").write_text(run_id)
        for node, (key, kind) in OUTPUTS.items():
            contexts = [
                self._context("pipeline", PIPELINE),
                self._context("pipeline_run", run_id),
                self._context("node", f"{PIPELINE}.{node}"),
            ]
            cached = self._cache.get((node, data))
            if cached is not None and self.present(cached):
                output = cached
                self._execution(self._node, pb.Execution.CACHED, used, [output], contexts)
            elif node == dies:
                number = self._execution(self._node, last, used, [], contexts)
                self._folder(node, key, number)
                return run_id
            else:
                number = self._execution(self._node, pb.Execution.COMPLETE, used, [], contexts)
                output = self._artifact(node, self._folder(node, key, number), kind, used, blessed, pushed)
                self._events(number, [], [output])
                self._attribute(contexts, [], [output])
                self._cache[node, data] = output
            used = [*used, output]
            self.used[run_id] = {*used}
        self.complete.append(run_id)
        return run_id

    def artifacts(self) -> dict[int, pb.Artifact]:
        """Return all artifacts by id."""
        return {artifact.id: artifact for artifact in self.store.get_artifacts()}

    def present(self, artifact: int) -> bool:
        """Return True if the cache may use an artifact, as TFX decides."""
        [found] = self.store.get_artifacts_by_id([artifact])
        return found.state == pb.Artifact.LIVE and Path(found.uri).exists()

    def folders(self) -> set[str]:
        """Return the folders of outputs."""
        return {str(path.parent) for path in Path(self.paths.artifacts).rglob("file")}

    def _artifact(self, node: str, uri: str, kind: str, used: list[int], blessed: bool, pushed: bool) -> int:
        artifact = pb.Artifact(type_id=self._kinds[kind], uri=uri, state=pb.Artifact.LIVE)
        if node == "Evaluator":
            artifact.custom_properties["blessed"].int_value = int(blessed)
            artifact.custom_properties["current_model_id"].int_value = used[-1]
        if node == "Pusher" and pushed:
            verdict = self.artifacts()[used[-1]].custom_properties["blessed"].int_value
            artifact.custom_properties["pushed"].int_value = verdict
            if verdict:
                version = Path(self.paths.serving, Path(uri).name)
                version.mkdir()
                artifact.custom_properties["pushed_destination"].string_value = str(version)
        [number] = self.store.put_artifacts([artifact])
        return number

    def _folder(self, node: str, key: str, execution: int) -> str:
        folder = Path(self.paths.artifacts, node, key, str(execution))
        if node == "Transform":  # An output of several artifacts.
            folder /= "0"
        folder.mkdir(parents=True)
        (folder / "file").write_text("contents")
        return str(folder)

    def _execution(
        self, kind: int, state: int, inputs: list[int], outputs: list[int], contexts: list[int], name: str | None = None
    ) -> int:
        execution = pb.Execution(type_id=kind, last_known_state=state, name=name)
        [number] = self.store.put_executions([execution])
        self._events(number, inputs, outputs)
        self._attribute(contexts, [number], outputs)
        return number

    def _events(self, execution: int, inputs: list[int], outputs: list[int]) -> None:
        self.store.put_events(
            [
                pb.Event(
                    execution_id=execution,
                    artifact_id=artifact,
                    type=kind,
                    path=pb.Event.Path(steps=[pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=place)]),
                )
                for artifacts, kind, key in (
                    # The first input of each node is the output of Transform.
                    (inputs[:1], pb.Event.INPUT, "transform_graph"),
                    (inputs[1:], pb.Event.INPUT, "other"),
                    (outputs, pb.Event.OUTPUT, "out"),
                )
                for place, artifact in enumerate(artifacts)
            ]
        )

    def _attribute(self, contexts: list[int], executions: list[int], artifacts: list[int]) -> None:
        self.store.put_attributions_and_associations(
            [
                pb.Attribution(artifact_id=artifact, context_id=context)
                for artifact in artifacts
                for context in contexts
            ],
            [pb.Association(execution_id=number, context_id=context) for number in executions for context in contexts],
        )

    def _context(self, kind: str, name: str) -> int:
        if (kind, name) not in self._contexts:
            type_id = self.store.put_context_type(pb.ContextType(name=kind))
            [self._contexts[kind, name]] = self.store.put_contexts([pb.Context(type_id=type_id, name=name)])
        return self._contexts[kind, name]
