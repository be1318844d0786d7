"""Removal of old artifacts: at the end of a run, and by `bigvocab clean`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from components.messages.formatting import in_bytes
from components.storage import storage_fault
from pipeline.config.spec import Config
from pipeline.paths import Paths
from pipeline.terminal.console import Console

if TYPE_CHECKING:
    from pipeline.retention.clean import Plan


def clean(config: Config, paths: Paths, keep: int, dry_run: bool = False) -> Plan:
    """Remove the artifacts that nothing needs any more.

    The caller holds the lock of a local root.

    Args:
        config: Configuration.
        paths: Paths under the root.
        keep: Number of newest complete runs whose artifacts stay.
        dry_run: True to change nothing.

    Returns:
        The artifacts and files that were removed, or would be.

    Raises:
        StoreUnreachable: The metadata store cannot be used.
        OSError: A file cannot be deleted.
    """
    from pipeline.execution.node import opened_at
    from pipeline.metadata import store
    from pipeline.retention import clean as retention

    connection = store.connection(config.metadata, paths.metadata)
    alone = connection.HasField("sqlite")  # The lock of the root guards the file. Pods share a server, and no lock.
    with opened_at(connection) as handle:
        act = retention.plan if dry_run else retention.clean
        return act(handle.store, config.name, paths, keep, alone)


def after_run(config: Config, paths: Paths, console: Console) -> None:
    """Remove old artifacts at the end of a successful run, if `artifacts.keep` is set.

    A failure is only reported, because the run itself has succeeded.
    """
    from pipeline.execution.node import message

    if config.artifacts.keep is None:
        return
    try:
        found = clean(config, paths, config.artifacts.keep)
    except Exception as error:
        logging.getLogger(__name__).exception("Old artifacts were not deleted.")
        cause = storage_fault(error, paths.artifacts) or message(error)
        console.line(f"Old artifacts were not deleted (artifacts.keep). {cause}")
        return
    if found.artifacts or found.others:
        console.line(f"Deleted by artifacts.keep: {described(found)}")


def described(plan: Plan) -> str:
    """Return a text about the removal: `12 artifacts of earlier runs and 3 other files or folders, 4.2 MB`."""
    artifacts = f"{len(plan.artifacts):,} artifact{'s' * (len(plan.artifacts) != 1)} of earlier runs"
    others = f" and {len(plan.others):,} other files or folders" if plan.others else ""
    return f"{artifacts}{others}, {in_bytes(plan.size)}"
