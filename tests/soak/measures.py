"""Measures of a root after a run. Called in a child process, because the queries need TFX."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPEATS = 20


def measure(configuration: str, root: str, stores: list[str], output: str) -> int:
    """Write the sizes of a root, and the CPU milliseconds of the metadata queries of a run, as JSON.

    The queries on several stores take turns, so that a change of the machine's speed affects all of them.

    Args:
        configuration: File of the configuration.
        root: Root of the runs.
        stores: Names of the SQLite files below the root; the first is the current one.
        output: File to write.
    """
    from pipeline import dag
    from pipeline.config.loading import load
    from pipeline.execution import spans
    from pipeline.paths import Paths

    config, paths = load(configuration), Paths.of(root)
    pipeline = dag.build(config, paths, spans.plan(config.data))
    files = [path for path in Path(paths.root).rglob("*") if path.is_file() and path.name not in stores]
    found: dict[str, Any] = {
        "bytes": sum(path.lstat().st_size for path in files),
        "files": sum(1 for _ in Path(paths.root).rglob("*")),
        "metadata": Path(paths.metadata).stat().st_size,
        "queries": _queries(pipeline, config.name, paths, [f"{paths.root}/{name}" for name in stores]),
        "lost": _lost(f"{paths.root}/{stores[0]}"),
    }
    Path(output).write_text(json.dumps(found))
    return 0


def _queries(pipeline: Any, name: str, paths: Any, stores: list[str]) -> list[dict[str, float]]:
    """Return the median CPU milliseconds by kind of query, for each store."""
    from tfx.orchestration.portable.input_resolution import channel_resolver

    from components.compat.tfx.channels import bounded_lookups
    from pipeline.execution.node import opened_at
    from pipeline.metadata import record
    from pipeline.retention import clean, history

    times: list[dict[str, list[float]]] = [{} for _ in stores]
    for _ in range(REPEATS):
        for store, of_store in zip(stores, times, strict=True):
            with opened_at(_connection(store)) as handle:
                runs = history.History(handle.store, name).runs()
                ir = _compiled(pipeline, max(runs, key=lambda run: run.number).id)
                channels = [
                    channel
                    for entry in ir.nodes
                    for given in entry.pipeline_node.inputs.inputs.values()
                    for channel in given.channels
                ]

                def inputs(handle: Any = handle, channels: Any = channels) -> None:
                    for channel in channels:
                        channel_resolver.resolve_single_channel(handle, channel)

                def bounded(inputs: Callable[[], None] = inputs) -> None:
                    with bounded_lookups():
                        inputs()

                calls: dict[str, Callable[[], object]] = {
                    "inputs": bounded,
                    "records": lambda handle=handle, ir=ir: record.node_records(handle, ir),
                    "plan": lambda handle=handle: clean.plan(handle.store, name, paths, 3, alone=True),
                }
                if len(of_store.get("tfx", ())) < 3:
                    calls["tfx"] = inputs
                for kind, call in calls.items():
                    started = time.process_time()
                    call()
                    of_store.setdefault(kind, []).append((time.process_time() - started) * 1e3)
    return [{kind: round(statistics.median(each), 2) for kind, each in of_store.items()} for of_store in times]


def _compiled(pipeline: Any, run_id: str) -> Any:
    from pipeline.execution.node import compiled

    return compiled(pipeline, run_id)


def _lost(store: str) -> list[str]:
    """Return the live artifacts whose folders do not exist."""
    from ml_metadata.proto import metadata_store_pb2 as pb

    from pipeline.execution.node import opened_at

    with opened_at(_connection(store)) as handle:
        artifacts = handle.store.get_artifacts()
    return [a.uri for a in artifacts if a.state == pb.Artifact.LIVE and not Path(a.uri).exists()]


def _connection(store: str) -> Any:
    from ml_metadata.proto import metadata_store_pb2 as pb

    connection = pb.ConnectionConfig()
    connection.sqlite.filename_uri = store
    connection.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE
    return connection
