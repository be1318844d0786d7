"""Tests that nothing is removed that a run, a resolver or a model server needs, and that the rest is removed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.types import standard_artifacts

from components.evaluation.last_blessed import LastBlessedModel
from components.training.warm_start.base_model import LastBlessedOnOtherData
from pipeline.retention import clean, folders, history
from pipeline.retention.rule import ALIVE_SECONDS, Model, Run, kept_models, kept_runs
from tests.drawing import drawn
from tests.pipeline.retention.runs import OUTPUTS, PIPELINE, Runs

STEPS = st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from([None, None, None, *OUTPUTS]))
"""Data of a run, verdict on its model, and the node at which it dies."""


@drawn(50)
@given(
    st.lists(st.tuples(st.sampled_from(["complete", "running", "ended"]), st.booleans(), st.booleans()), max_size=8),
    st.integers(1, 3),
)
def test_the_newest_complete_runs_stay_and_all_since_and_those_that_still_run(drawn: Any, keep: int) -> None:
    runs = [Run(str(number), number, 0.0, state) for number, (state, _, _) in enumerate(drawn)]
    whole = {run.id: drawn[run.number][1] for run in runs}
    alive = {run.id: drawn[run.number][2] for run in runs}
    kept = kept_runs(runs, keep, lambda run: whole[run.id], lambda run: alive[run.id])
    counted = [run for run in runs if run.state == "complete" and whole[run.id]]
    if len(counted) < keep:
        assert kept is None
        return
    assert kept is not None
    since = [run for run in runs if run.number >= counted[-keep].number]
    running = [run for run in runs if run.state == "running" and alive[run.id]]
    assert {*kept} == {*since, *running}


class _Trained:
    """Store that knows the inputs of the training of each model."""

    def __init__(self, graphs: dict[int, frozenset[int]]) -> None:
        self._graphs = graphs

    def get_events_by_artifact_ids(self, artifacts: list[int]) -> list[pb.Event]:
        return [pb.Event(artifact_id=each, execution_id=each, type=pb.Event.OUTPUT) for each in artifacts]

    def get_events_by_execution_ids(self, executions: list[int]) -> list[pb.Event]:
        path = pb.Event.Path(steps=[pb.Event.Path.Step(key="transform_graph")])
        return [
            pb.Event(artifact_id=graph, execution_id=execution, type=pb.Event.INPUT, path=path)
            for execution in executions
            for graph in self._graphs[execution]
        ]


def _artifact(kind: Any, number: int, **properties: int) -> Any:
    artifact = kind()
    artifact.id = number
    for name, value in properties.items():
        artifact.set_int_custom_property(name, value)
    return artifact


@drawn(50)
@given(st.lists(st.frozensets(st.integers(0, 3), min_size=1, max_size=2), max_size=6))
def test_a_resolver_finds_the_same_model_among_those_that_stay(graphs: list[frozenset[int]]) -> None:
    models = [Model(number, 100 + number, of) for number, of in enumerate(graphs, start=1)]
    store: Any = _Trained({model.artifact: model.graphs for model in models})

    def found(strategy: Any, among: list[Model], **given: Any) -> list[int]:
        inputs = {
            "model": [_artifact(standard_artifacts.Model, each.artifact) for each in among],
            "model_blessing": [
                _artifact(standard_artifacts.ModelBlessing, each.blessing, blessed=1, current_model_id=each.artifact)
                for each in among
            ],
            **given,
        }
        return [each.id for each in strategy().resolve_artifacts(store, inputs)["model"]]

    kept = kept_models(models)
    assert len(kept) <= 4
    for candidate in range(len(models) + 2):
        given_ = {"candidate": [_artifact(standard_artifacts.Model, candidate)]}
        assert found(LastBlessedModel, kept, **given_) == found(LastBlessedModel, models, **given_)
    for graph in range(5):
        given_ = {"transform_graph": [_artifact(standard_artifacts.TransformGraph, graph)]}
        assert found(LastBlessedOnOtherData, kept, **given_) == found(LastBlessedOnOtherData, models, **given_)


class _Killed(BaseException):
    """End of the process in the middle of a removal."""


@contextmanager
def _killed_at(call: int) -> Iterator[None]:
    """Kill the process at a call that changes the store or the disk."""
    calls = iter(range(call + 1))

    def until(function: Any) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            if next(calls, None) is None:
                raise _Killed
            return function(*arguments, **options)

        return called

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clean, "_mark", until(clean._mark))
        patch.setattr(folders, "remove", until(folders.remove))
        patch.setattr(shutil, "rmtree", until(shutil.rmtree))
        yield


@drawn(20)
@given(st.lists(STEPS, max_size=10), st.integers(1, 3), st.integers(0, 4), st.booleans(), st.integers(0, 12))
def test_what_is_needed_stays_and_the_rest_goes(
    steps: list[Any], keep: int, served: int, alone: bool, killed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Path(folder))
        for data, blessed, dies in steps:
            runs.run(data, blessed, dies)
            for old in sorted(Path(runs.paths.serving).iterdir(), key=lambda path: int(path.name))[:-2]:
                shutil.rmtree(old)
        for version in sorted(Path(runs.paths.serving).iterdir(), key=lambda path: int(path.name))[:-served]:
            shutil.rmtree(version)
        before = runs.artifacts()
        arguments = (runs.store, PIPELINE, runs.paths, keep, alone, 0.0)
        with _killed_at(killed):
            try:
                clean.clean(*arguments)
            except _Killed:
                _nothing_needed_is_gone(runs, keep)
        clean.clean(*arguments)
        _nothing_needed_is_gone(runs, keep)
        after = runs.artifacts()
        assert {artifact.state for artifact in after.values()} <= {pb.Artifact.LIVE, pb.Artifact.DELETED}
        assert not Path(runs.paths.artifacts, folders.TRASH).exists()
        live = {artifact.uri for artifact in after.values() if artifact.state == pb.Artifact.LIVE}
        assert live <= runs.folders()
        if len(runs.complete) < keep:
            assert after.keys() == before.keys()
            assert len(live) == len(after)
            return
        first = runs.complete[-keep]
        unfinished = runs.folders() - live
        assert len(unfinished) <= sum(run > first and run not in runs.complete for run in runs.used)
        held = {artifact for run, used in runs.used.items() if run >= first for artifact in used}
        # Beside these, at most four blessed models of other runs, and the models of the versions, with their inputs.
        assert len(live) <= len(held) + 4 * len(OUTPUTS) + 4 * len([*Path(runs.paths.serving).iterdir()])
        assert not clean.plan(runs.store, PIPELINE, runs.paths, keep, alone).artifacts


def _nothing_needed_is_gone(runs: Runs, keep: int) -> None:
    """Check what the recent runs, any resolver, and the pushed versions need, without the code under test."""
    artifacts = runs.artifacts()
    needed = {artifact for run in runs.complete[-keep:] for artifact in runs.used[run]}
    blessings = [a for a in artifacts.values() if a.custom_properties["blessed"].int_value]
    for blessing in sorted(blessings, key=lambda a: a.custom_properties["current_model_id"].int_value)[-2:]:
        needed |= {blessing.id, blessing.custom_properties["current_model_id"].int_value}
    for artifact in artifacts.values():
        if Path(artifact.custom_properties["pushed_destination"].string_value or "/none").exists():
            needed.add(artifact.id)
    for artifact in needed:
        assert Path(artifacts[artifact].uri, "file").exists(), artifacts[artifact].uri
        # A killed call may leave a mark, and the next one removes it.
        assert artifacts[artifact].state in (pb.Artifact.LIVE, pb.Artifact.MARKED_FOR_DELETION)


def test_a_run_that_still_runs_keeps_its_artifacts_for_some_time(tmp_path: Path, monkeypatch: Any) -> None:
    runs = Runs(tmp_path)
    running = runs.run(0, dies="Evaluator", state=pb.Execution.RUNNING)
    for data in (1, 2, 3):
        runs.run(data)
    clean.clean(runs.store, PIPELINE, runs.paths, 1, alone=False, grace=0.0)
    assert all(map(runs.present, runs.used[running]))
    later = time.time() + ALIVE_SECONDS + 60
    monkeypatch.setattr(history.time, "time", lambda: later)
    clean.clean(runs.store, PIPELINE, runs.paths, 1, alone=False, grace=0.0)
    assert not any(map(runs.present, runs.used[running]))


def test_an_artifact_that_another_run_has_just_looked_up_stays(tmp_path: Path, monkeypatch: Any) -> None:
    runs = Runs(tmp_path)
    old = runs.run(0, blessed=False)
    for data in (1, 2, 3):
        runs.run(data)
    mark = clean._mark

    def meanwhile(store: Any, artifacts: Any, state: int) -> None:
        if state == pb.Artifact.MARKED_FOR_DELETION:  # The other run has looked up its inputs before, records it after.
            monkeypatch.setattr(runs, "present", lambda _: True)
            mark(store, artifacts, state)
            runs.run(0, dies="Evaluator", state=pb.Execution.RUNNING)
            monkeypatch.undo()
        else:
            mark(store, artifacts, state)

    monkeypatch.setattr(clean, "_mark", meanwhile)
    removed = clean.clean(runs.store, PIPELINE, runs.paths, 1, alone=False, grace=0.0)
    assert {*map(runs.present, runs.used[old])} == {True}
    assert removed.restored


def test_artifacts_of_other_pipelines_and_other_places_stay(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    for data in range(4):
        runs.run(data, blessed=False)
    elsewhere = runs.artifacts()[min(runs.used["000"])]
    elsewhere.uri = str(tmp_path / "elsewhere" / "1")
    runs.store.put_artifacts([elsewhere])
    assert not clean.plan(runs.store, "other", runs.paths, 1, alone=True).artifacts
    planned = clean.plan(runs.store, PIPELINE, runs.paths, 1, alone=True)
    assert elsewhere.id not in [artifact.id for artifact in planned.artifacts]
    assert planned.size > 0
    assert runs.artifacts().keys() == {artifact for used in runs.used.values() for artifact in used}


def test_the_rests_of_earlier_runs_go_and_those_of_kept_runs_stay(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.run(0, dies="Trainer")
    for data in range(3):
        runs.run(data, blessed=False)
    artifacts, node = Path(runs.paths.artifacts), Path(runs.paths.artifacts, "Trainer")
    abandoned, now = next(node.glob("model/[0-9]*")), time.time()
    old = [
        *(node / ".system" / name for name in ("executor_execution/4", f"driver_execution/{int((now - 60) * 1e6)}")),
        abandoned.rename(abandoned.with_name(f"{abandoned.name}-failed")),
        *(Path(runs.paths.workers, name) for name in ("000", "001")),
        *(Path(runs.paths.root, name) for name in ("logs/000.log", "logs/001.log", "schemas/a.pbtxt")),
    ]
    new = [
        *(node / ".system" / name for name in ("executor_execution/999", f"driver_execution/{int((now + 60) * 1e6)}")),
        *(Path(runs.paths.workers, name) for name in ("003", "of somebody")),
        *(Path(runs.paths.root, name) for name in ("logs/003.log", "logs/notes", "schemas/b.pbtxt")),
        artifacts / "Trainer" / "model" / "notes",
    ]
    for place in [*old, *new]:
        if place.suffix:
            place.parent.mkdir(exist_ok=True)
            place.write_text("")
            written = now - 2 * clean.SCHEMA_SECONDS if place in old else now
            os.utime(place, (written, written))
        else:
            place.mkdir(parents=True, exist_ok=True)
    planned = clean.plan(runs.store, PIPELINE, runs.paths, 1, alone=True)
    assert {*planned.others} - {f"{runs.paths.logs}/002.log"} == {*map(str, old)}
    clean.clean(runs.store, PIPELINE, runs.paths, 1, alone=True)
    assert [place for place in old if place.exists()] == []
    assert [place for place in new if not place.exists()] == []
    assert runs.folders() == {runs.artifacts()[artifact].uri for artifact in runs.used["003"]}
    assert len([*artifacts.glob("Transform/transform_graph/*")]) == 1
