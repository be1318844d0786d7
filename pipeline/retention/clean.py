"""Removal of the artifacts that nothing needs any more.

The metadata store decides which artifacts exist, and the disk follows:

1. An artifact that nothing needs is marked for deletion. From then on, no cache lookup and no resolver returns it.
2. If other runs share the store, one of them may have looked the artifact up just before. After a while the runs are
   read again, and an artifact that one of them uses stays.
3. The other artifacts are recorded as deleted. Their folders are renamed and then deleted.

A kill at any moment leaves a state that the next call completes: it decides anew about marked artifacts, and deletes
the folders of artifacts that are recorded as deleted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.dsl.io import fileio

from components.files import is_remote
from components.pushing import records
from components.pushing.versions import versions
from pipeline.paths import Paths
from pipeline.retention import folders
from pipeline.retention.history import History
from pipeline.retention.rule import Run, kept_models, kept_runs

GRACE_SECONDS = 10.0
"""Time for another run to record the use of an artifact that it has just looked up."""

SCHEMA_SECONDS = 24 * 3_600.0
"""Time before the start of the oldest kept run in which a schema file may have been written for it."""


@dataclass(frozen=True)
class Plan:
    """Artifacts and files that a call of `clean` removes, or has removed.

    Attributes:
        runs: Number of runs whose artifacts stay; 0 if the pipeline has too few complete runs to remove anything.
        artifacts: Artifacts to remove.
        others: Further files and folders to remove: rests of killed runs and of earlier calls, logs, and messages of
            TFX's launcher.
        restored: Artifacts that are needed, and that a killed call has marked for deletion.
        size: Bytes of all files to remove.
    """

    runs: int = 0
    artifacts: list[pb.Artifact] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    restored: list[pb.Artifact] = field(default_factory=list)
    size: int = 0


def plan(store: mlmd.MetadataStore, pipeline: str, paths: Paths, keep: int, alone: bool) -> Plan:
    """Find the artifacts and files that nothing needs any more, and change nothing.

    Args:
        store: Metadata store.
        pipeline: Name of the pipeline.
        paths: Paths under the root.
        keep: Number of newest complete runs whose artifacts stay.
        alone: True if no other run can be using the root.
    """
    history = History(store, pipeline)
    runs = history.runs()
    kept = kept_runs(runs, keep, history.whole, lambda run: not alone and history.alive(run))
    if kept is None:
        return Plan()
    present = history.present()
    needed, needed_runs = _needed(history, runs, kept, present, paths)
    artifacts = [a for a in present.values() if a.id not in needed and _is_output(a.uri, paths)]
    others = [
        *_rests(history, {artifact.uri for artifact in present.values()}, kept, paths),
        *_files_of_runs(runs, needed_runs, min(run.started for run in kept), paths),
    ]
    size = sum(map(folders.size, [*(artifact.uri for artifact in artifacts), *others]))
    restored = [a for a in present.values() if a.id in needed and a.state == pb.Artifact.MARKED_FOR_DELETION]
    return Plan(len(needed_runs), artifacts, others, restored, size)


def clean(
    store: mlmd.MetadataStore, pipeline: str, paths: Paths, keep: int, alone: bool, grace: float = GRACE_SECONDS
) -> Plan:
    """Remove the artifacts and files that nothing needs any more.

    Args:
        store: Metadata store.
        pipeline: Name of the pipeline.
        paths: Paths under the root.
        keep: Number of newest complete runs whose artifacts stay.
        alone: True if no other run can be using the root.
        grace: Seconds that other runs have to record the use of an artifact.

    Returns:
        The removed artifacts and files.

    Raises:
        OSError: A file cannot be deleted. The next call tries again.
    """
    found = plan(store, pipeline, paths, keep, alone)
    if found.artifacts and not alone:
        _mark(store, found.artifacts, pb.Artifact.MARKED_FOR_DELETION)
        time.sleep(grace)
        found = plan(store, pipeline, paths, keep, alone)
    _mark(store, found.restored, pb.Artifact.LIVE)
    _mark(store, found.artifacts, pb.Artifact.DELETED)
    for place in [*(artifact.uri for artifact in found.artifacts), *found.others]:
        folders.remove(place, paths.artifacts)
    folders.empty_trash(paths.artifacts)
    return found


def _mark(store: mlmd.MetadataStore, artifacts: Sequence[pb.Artifact], state: int) -> None:
    for artifact in artifacts:
        artifact.state = state  # type: ignore[assignment]
    if artifacts:
        store.put_artifacts(artifacts)


def _needed(
    history: History, runs: Sequence[Run], kept: Sequence[Run], present: dict[int, pb.Artifact], paths: Paths
) -> tuple[set[int], list[Run]]:
    """Return the ids of the artifacts that stay, and the runs all of whose artifacts stay."""
    blessings = [model.blessing for model in kept_models(history.blessed(present.values()))]
    # The newest run with the blessing has the model, its evaluation and its examples, possibly from the cache.
    of_models = [run for blessing in blessings if (run := history.last_run_with(blessing, runs))]
    whole = list({run.id: run for run in [*kept, *of_models]}.values())
    needed = {artifact for run in whole for artifact in history.used(run)}
    served = _served(paths.serving)
    for artifact, folder in history.pushed(present.values()).items():
        if folder in served or (is_remote(folder) and fileio.exists(folder)):
            needed |= history.made_from(artifact)
    return needed, whole


def _served(serving: str) -> set[str]:
    """Return the local folders of the pushed versions, with those that a version repeats after a rollback."""
    if is_remote(serving):
        return set()
    present = versions(Path(serving))
    found = (records.read(Path(serving, str(version))) for version in present)
    repeated = [record.repeats for record in found if record and record.repeats]
    return {f"{serving}/{version}" for version in [*present, *repeated]}


def _is_output(uri: str, paths: Paths) -> bool:
    """Return True for the folder of an output: `artifacts/<node>/<key>/<execution>`, or a numbered folder below it."""
    prefix, _, rest = uri.partition(f"{paths.artifacts}/")
    parts = rest.split("/")
    return not prefix and len(parts) in (3, 4) and all(part.isdecimal() for part in parts[2:])


def _rests(history: History, known: set[str], kept: Sequence[Run], paths: Paths) -> Iterator[str]:
    """Yield the folders of deleted artifacts, of executions that never completed, and of TFX's launcher."""
    first = min(run.number for run in kept)
    for folder, node, execution in folders.outputs(paths.artifacts):
        if folder in known:
            continue
        recorded = history.store.get_artifacts_by_uri(folder)
        if recorded:
            unused = all(artifact.state == pb.Artifact.DELETED for artifact in recorded)
        else:
            unused = execution < first and history.abandoned(node, execution)
        if unused:
            yield folder
    yield from folders.working_folders(paths.artifacts, first, min(run.started for run in kept))


def _files_of_runs(runs: Sequence[Run], kept: Sequence[Run], started: float, paths: Paths) -> Iterator[str]:
    """Yield the log files, the files of workers and the schema files of other runs."""
    ids = {run.id for run in kept}
    for path in folders.written_before(paths.logs, ".log", started):
        if path.rpartition("/")[2].removesuffix(".log") not in ids:
            yield path
    # Each pod that needs its schema file writes the file at its start, possibly before the run is recorded.
    yield from folders.written_before(paths.schemas, ".pbtxt", started - SCHEMA_SECONDS)
    others = {run.id for run in runs} - ids
    for name in folders.entries(paths.workers):
        if name in others:
            yield f"{paths.workers}/{name}"
