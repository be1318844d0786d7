"""Disk space that a run needs: an estimate, and its comparison with the space that is free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.ingest.extent import extent_of
from components.messages.exit_codes import FAILED, UserError
from components.messages.formatting import in_bytes
from components.node import Space
from components.storage import free_bytes, free_space, full_temporary_folder
from pipeline.config.spec import Config
from pipeline.nodes import NODES
from pipeline.paths import Paths

_RECORDS = 512 << 10
"""Space of any node: its records in the metadata store, the log and the report."""
_WRONG = 2
"""Factor by which an estimate may be wrong."""
_CLOSE = 1.5
"""The user is warned if less than this multiple of the estimate is free."""


class NotEnoughSpace(UserError):
    """Refusal to start a run that will certainly fill the disk."""

    def __init__(self, message: str) -> None:
        super().__init__(message, FAILED)


@dataclass(frozen=True)
class Forecast:
    """Estimated disk space of a run.

    Attributes:
        spaces: Space of each node, in order; empty if the extent of the source is unknown.
    """

    spaces: Mapping[str, Space]

    @property
    def most(self) -> int:
        """Estimated space in bytes. The outputs of earlier nodes stay while a node runs."""
        return _peak(list(self.spaces.values()))

    @property
    def least(self) -> int:
        """Space in bytes that the run certainly needs."""
        return _peak([space for space in self.spaces.values() if space.sure]) // _WRONG

    @property
    def needs(self) -> dict[str, int]:
        """Estimated space of each node in bytes."""
        return {name: max(space.most, _RECORDS) for name, space in self.spaces.items()}

    def without(self, nodes: Sequence[str]) -> Forecast:
        """Return the forecast without some nodes."""
        return Forecast({name: space for name, space in self.spaces.items() if name not in nodes})


def forecast(config: Config, spans: Sequence[int] = ()) -> Forecast:
    """Estimate the disk space of all nodes of a run.

    Args:
        config: Configuration.
        spans: Spans that train together; empty if the source has no spans.
    """
    extent = extent_of(config.data, spans)
    present = [node for node in NODES if node.present(config)]
    return Forecast({node.name: node.space(config, extent) for node in present} if extent else {})


def check(found: Forecast, paths: Paths) -> str:
    """Compare the estimated space of a run with the free space.

    A node with outputs of an earlier run may be cached, and is not counted. Nor are checkpoints from which the training
    may resume.

    Returns:
        A warning if space may run out, or an empty text.

    Raises:
        NotEnoughSpace: The run will certainly fill the disk, or the folder for temporary files is full.
    """
    if folder := full_temporary_folder():
        raise NotEnoughSpace(
            f"the folder for temporary files is full: {folder}; {free_space(folder)}. Free some space there, or set "
            "TMPDIR to another folder."
        )
    found = found.without([name for name in found.spaces if _has_outputs(paths, name)])
    free = free_bytes(paths.root)
    if free is None:
        return ""
    usable = free + _size(Path(paths.checkpoints))
    if found.least <= usable and not is_close(found.most, usable):
        return ""
    line = f"about {in_bytes(found.most)} of disk space, {free_space(paths.root)} in {paths.root}"
    if found.least > usable:
        raise NotEnoughSpace(f"this run needs {line}. Free some space, or choose another --root.")
    return f"This run needs {line}: space may run out."


def is_close(most: int, free: int) -> bool:
    """Return True if an estimated space may not fit into the free space, in bytes."""
    return free < _CLOSE * most


def _peak(spaces: Sequence[Space]) -> int:
    kept = most = 0
    for space in spaces:
        most = max(most, kept + space.most)
        kept += space.kept
    return most


def _has_outputs(paths: Paths, node: str) -> bool:
    """Return True if an earlier run left outputs of a node. The logs of a training, which outlive it, do not count."""
    keys = (folder for folder in Path(paths.artifacts, node).glob("[!.]*") if folder.name != "model_run")
    return any(path.is_file() for key in keys for path in key.rglob("*"))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
