"""Lookup of a node's inputs, whose time does not grow with the number of earlier runs.

Reason: For each input, TFX reads all executions that the pipeline ever had, twice for most inputs. After 50 runs, the
    lookups of one run take a second of CPU time, and five times as long after 250. ML Metadata selects in the store
    up to version 1.17, which Python 3.11 has. Version 1.21 cannot: there, TFX's own lookups remain.
Versions: TFX 1.21, ML Metadata 1.17 and 1.21.
Remove when: TFX selects the executions and the artifacts in the query.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx import types
from tfx.orchestration import mlmd_connection_manager as connections
from tfx.orchestration.portable.input_resolution import channel_resolver
from tfx.proto.orchestration import pipeline_pb2
from tfx.types import artifact_utils

QUERIES = tuple(map(int, mlmd.__version__.split(".")[:2])) < (1, 21)
"""True if the store can select by a query."""


def artifacts_in(
    store: mlmd.MetadataStore, context: int, states: Sequence[int] = (pb.Artifact.LIVE,), kind: str = ""
) -> list[pb.Artifact]:
    """Return the artifacts of a context, in ascending order of their ids.

    Args:
        store: Metadata store.
        context: Id of the context.
        states: States of the artifacts.
        kind: Name of the type of the artifacts; empty for all types.
    """
    if QUERIES:
        query = f"contexts_0.id = {context} AND ("
        query += " OR ".join(f"state = {pb.Artifact.State.Name(state)}" for state in states)  # type: ignore[arg-type]
        query += f") AND type = '{kind}'" if kind else ")"
        found = store.get_artifacts(list_options=mlmd.ListOptions(filter_query=query))
    else:
        types_of_kind = {each.id for each in store.get_artifact_types() if kind in ("", each.name)}
        found = [
            artifact
            for artifact in store.get_artifacts_by_context(context)
            if artifact.state in states and artifact.type_id in types_of_kind
        ]
    return sorted(found, key=lambda artifact: artifact.id)


def executions_in(store: mlmd.MetadataStore, contexts: Sequence[pb.Context]) -> list[pb.Execution]:
    """Return the executions that all of these contexts have."""
    if not QUERIES:
        first, *others = ({each.id: each for each in store.get_executions_by_context(c.id)} for c in contexts)
        return [execution for number, execution in first.items() if all(number in other for other in others)]
    query = " AND ".join(f"contexts_{place}.id = {context.id}" for place, context in enumerate(contexts))
    return list(store.get_executions(list_options=mlmd.ListOptions(filter_query=query)))


@contextlib.contextmanager
def _swapped(name: str, value: Any) -> Iterator[None]:
    """Replace a name in TFX's module of lookups, and restore it at the end of the context."""
    before = getattr(channel_resolver, name)
    setattr(channel_resolver, name, value)
    try:
        yield
    finally:
        setattr(channel_resolver, name, before)


@contextlib.contextmanager
def bounded_lookups() -> Iterator[None]:
    """Let TFX's launcher look up inputs with `executions_in` and `artifacts_in` inside the context.

    Does nothing if the store cannot select by a query.
    """
    if not QUERIES:
        yield
        return
    lookup = channel_resolver.resolve_single_channel

    def resolve(handle: connections.HandleLike, channel: pipeline_pb2.InputSpec.Channel) -> list[types.Artifact]:
        if len(channel.context_queries) > 1 or channel.output_key:
            return lookup(handle, channel)
        store = connections.get_handle(handle).store
        context = channel_resolver._get_context_from_context_query(store, channel.context_queries[0])
        kind = channel.artifact_query.type.name
        found = artifacts_in(store, context.id, kind=kind) if context else []
        # A type without artifacts may be unknown to the store.
        return artifact_utils.deserialize_artifacts(store.get_artifact_type(kind), found) if found else []

    with _swapped("resolve_single_channel", resolve), _swapped("_get_executions_by_all_contexts", executions_in):
        yield
