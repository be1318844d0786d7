"""Removal of what a killed process leaves: outputs of unfinished tries, and records that say that it still runs."""

from __future__ import annotations

import logging

from tfx.dsl.io import fileio
from tfx.proto.orchestration import pipeline_pb2
from tfx.types.standard_component_specs import MODEL_RUN_KEY

from components.compat.tfx.metadata import Metadata
from components.files import check_fence, partial_files, remove_tree
from pipeline.metadata import record


def clear_try(handle: Metadata, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> None:
    """Delete the outputs of an earlier try of a node in this run that was killed.

    TFX resumes the try in the same folders, where temporary files of Beam, or shards of a different shard count, would
    be read as data. The Trainer's logs are kept.
    """
    unfinished = record.unfinished_try(handle, node)
    if unfinished is not None:
        _delete_outputs(record.root_of(pipeline), unfinished, node.node_info.id)


def end_runs(handle: Metadata, pipeline: pipeline_pb2.Pipeline) -> None:
    """Mark the earlier runs of this root that were killed as failed, with their nodes, and delete their outputs.

    Only for a process that holds the root: the runs that the metadata store has as running have no process then.
    """
    check_fence()
    root = record.root_of(pipeline)
    for execution in record.end_killed(handle, pipeline):
        logging.getLogger(__name__).info("Execution %d was killed. Its outputs are deleted.", execution)
        _delete_outputs(root, execution)
    for folder in _found(f"{root}/*/.system/stateful_working_dir/*"):
        _delete(folder)


def _delete_outputs(root: str, execution: int, node: str = "*") -> None:
    for folder in _found(f"{root}/{node}/*/{execution}"):
        if folder.rsplit("/", 2)[1] != MODEL_RUN_KEY:
            _delete(folder)
            continue
        for part in partial_files(folder):
            part.unlink()
    for folder in _found(f"{root}/{node}/.system/executor_execution/{execution}"):
        _delete(folder)


def _found(pattern: str) -> list[str]:
    return [str(path).rstrip("/") for path in fileio.glob(pattern)]


def _delete(path: str) -> None:
    (remove_tree if fileio.isdir(path) else fileio.remove)(path)
