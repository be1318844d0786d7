"""Tests that the bounded lookups of inputs find what TFX finds, and of the need for them."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.orchestration.portable.input_resolution import channel_resolver
from tfx.proto.orchestration import pipeline_pb2

from components.compat.tfx import channels as tfx_channels
from components.compat.tfx.channels import bounded_lookups
from tests.pipeline.retention.runs import OUTPUTS, PIPELINE, Runs


def _channel(kind: str, key: str = "", **contexts: str) -> pipeline_pb2.InputSpec.Channel:
    channel = pipeline_pb2.InputSpec.Channel(output_key=key)
    channel.artifact_query.type.name = kind
    for name, value in contexts.items():
        query = channel.context_queries.add()
        query.type.name = name
        query.name.field_value.string_value = value
    return channel


def _channels(run: str) -> list[pipeline_pb2.InputSpec.Channel]:
    kinds = [kind for _, kind in OUTPUTS.values()]
    return [
        *(_channel(kind, pipeline=PIPELINE) for kind in [*kinds, "Unknown"]),
        *(
            _channel(kind, "out", pipeline=PIPELINE, pipeline_run=run, node=f"{PIPELINE}.{node}")
            for node, (_, kind) in OUTPUTS.items()
        ),
        _channel(kinds[0], pipeline="other"),
    ]


def _found(store: Any, run: str) -> list[list[bytes]]:
    return [
        [artifact.mlmd_artifact.SerializeToString(deterministic=True) for artifact in found]
        for found in (channel_resolver.resolve_single_channel(store, channel) for channel in _channels(run))
    ]


def _runs_with_a_deleted_artifact(folder: Path) -> Runs:
    runs = Runs(folder)
    for data in (0, 1, 0):
        runs.run(data)
    gone = runs.artifacts()[min(runs.used["001"])]
    gone.state = pb.Artifact.DELETED
    runs.store.put_artifacts([gone])
    return runs


class _Handle:
    def __init__(self, store: Any) -> None:
        self.store = store


def test_the_same_artifacts_are_found_in_the_same_order(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tfx.orchestration.mlmd_connection_manager.get_handle", lambda handle: handle)
    runs = _runs_with_a_deleted_artifact(tmp_path)
    expected = {run: _found(_Handle(runs.store), run) for run in runs.used}
    with bounded_lookups():
        assert {run: _found(_Handle(runs.store), run) for run in runs.used} == expected
    assert [len(found) for found in expected["002"]] == [1, 2, 2, 2, 0, 1, 1, 1, 1, 0]


@pytest.mark.skipif(not tfx_channels.QUERIES, reason="this version of ML Metadata cannot select by a query")
def test_a_store_without_queries_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _runs_with_a_deleted_artifact(tmp_path)
    [whole] = runs.store.get_contexts_by_type("pipeline")
    trainer = [*runs.store.get_contexts_by_type("node"), *runs.store.get_contexts_by_type("pipeline_run")]

    def found() -> list[Any]:
        states = (pb.Artifact.LIVE, pb.Artifact.DELETED)
        return [
            *(tfx_channels.artifacts_in(runs.store, whole.id, kind=kind) for kind in ("", "Model", "Unknown")),
            tfx_channels.artifacts_in(runs.store, whole.id, states),
            *(
                sorted(execution.id for execution in tfx_channels.executions_in(runs.store, contexts))
                for contexts in ([whole], [whole, trainer[0]], [trainer[0], trainer[-1]], [trainer[0], trainer[1]])
            ),
        ]

    expected = found()
    assert [len(each) for each in expected[:4]] == [7, 2, 0, 8]
    assert all(expected[4:7])
    monkeypatch.setattr(tfx_channels, "QUERIES", False)
    assert found() == expected


def test_the_version_of_the_store_says_whether_it_can_select(tmp_path: Path) -> None:
    select = functools.partial(Runs(tmp_path).store.get_artifacts, list_options=mlmd.ListOptions(filter_query="id = 1"))
    if tfx_channels.QUERIES:
        assert select() == []
    else:
        with pytest.raises(mlmd.errors.UnimplementedError), pytest.warns(DeprecationWarning, match="filter_query"):
            select()


def test_tfx_reads_all_executions_of_the_pipeline() -> None:
    source = inspect.getsource(channel_resolver)
    assert "store.get_executions_by_context(context.id)" in source, "components.compat.tfx.channels can be removed"
