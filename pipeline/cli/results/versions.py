"""Commands for the versions of a pushed model: `bigvocab versions` and `rollback`."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.messages.exit_codes import UserError
from components.messages.formatting import in_bytes
from pipeline.cli.arguments import Parser, add_root, root_of
from pipeline.config.preset_files import DEFAULT_PRESET
from pipeline.paths import Paths

if TYPE_CHECKING:
    from components.pushing import records

_FIRST_TIME = 1_000_000_000
"""Least version that is taken for a time. Versions are seconds since the Unix epoch, unless a clock was wrong."""
_MISSING = "-"


@dataclass(frozen=True)
class Version:
    """Version in the folder of a model server.

    Attributes:
        number: Name of its folder.
        pushed: Time of the push, in UTC; None if unknown.
        size: Bytes of its files.
        record: Record of the push; None for a version of an older release.
        current: True for the version that model servers see.
    """

    number: int
    pushed: datetime.datetime | None
    size: int
    record: records.Record | None
    current: bool

    @property
    def mark(self) -> str:
        """Return `current`, and the version that a rollback repeats."""
        repeats = f"repeats {self.record.repeats}" if self.record and self.record.repeats else ""
        return ", ".join(filter(None, ["current" if self.current else "", repeats]))

    def as_data(self) -> dict[str, Any]:
        """Return the version as JSON data."""
        record = self.record
        return {
            "version": self.number,
            "pushed": self.pushed.isoformat() if self.pushed else None,
            "metrics": (record.metrics if record else None) or None,
            "previous": record.previous if record else None,
            "bytes": self.size,
            "current": self.current,
            "repeats": record.repeats if record else None,
        }


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    listed = commands.add_parser(
        "versions",
        help="list the pushed versions of the model, newest first",
        description="List the pushed versions of the model, newest first. Model servers see the one marked 'current'.",
    )
    add_root(listed)
    listed.add_argument(
        "--json",
        action="store_true",
        help="print a JSON list instead: version, pushed, metrics, previous (metrics of the last blessed model on the "
        "same rows), bytes, current and repeats",
    )
    listed.set_defaults(do=_versions)

    rollback = commands.add_parser(
        "rollback",
        help="publish an earlier version of the model again",
        description="Publish an earlier version of the model again, under a new and higher number, which model servers "
        "load next. The rollback stays until a run pushes a new model.",
    )
    rollback.add_argument(
        "version",
        nargs="?",
        metavar="VERSION",
        help="version to publish again (default: the version before the current one, or before the version that the "
        "current one repeats)",
    )
    add_root(rollback)
    rollback.set_defaults(do=_rollback, preset=None)


def read_versions(directory: Path) -> list[Version]:
    """Return the versions in a folder of a model server, newest first."""
    from components.pushing import versions

    found = versions.versions(directory)
    return [_version(directory / str(number), current=number == found[-1]) for number in reversed(found)]


def _version(folder: Path, current: bool) -> Version:
    from components.pushing import records

    record = records.read(folder)
    number = int(folder.name)
    latest = datetime.datetime.now(datetime.UTC).timestamp() + 24 * 3600
    as_time = datetime.datetime.fromtimestamp(number, datetime.UTC) if _FIRST_TIME <= number <= latest else None
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Version(number, record.pushed if record else as_time, size, record, current)


def _versions(arguments: argparse.Namespace) -> int:
    directory = _directory(arguments)
    found = read_versions(directory)
    if arguments.json:
        print(json.dumps([version.as_data() for version in found], indent=1))
        return 0
    from components.messages.terminal import Terminal, table

    terminal = Terminal(sys.stdout)
    rows = [
        [
            str(version.number),
            f"{version.pushed:%Y-%m-%d %H:%M:%S}" if version.pushed else _MISSING,
            _figures(version.record.metrics if version.record else None),
            _figures(version.record.previous if version.record else None),
            in_bytes(version.size),
            version.mark,
        ]
        for version in found
    ]
    header = ["version", "pushed (UTC)", "test split", "last blessed model before, same rows", "size", ""]
    terminal.line(f"Pushed to {directory}:")
    terminal.write([table(rows, header, figures=False)])
    return 0


def _rollback(arguments: argparse.Namespace) -> int:
    words = [word for word in (arguments.version, arguments.preset) if word is not None]
    numbers = [word for word in words if word.isdecimal()]
    presets = [word for word in words if not word.isdecimal()]
    if len(numbers) > 1 or len(presets) > 1:
        raise UserError(f"{' '.join(words)}: give at most one version, which is a number, and one preset or file")
    arguments.preset = presets[0] if presets else DEFAULT_PRESET
    if presets and not arguments.root and not root_of(arguments).is_dir():
        raise UserError(f"'{presets[0]}' is no version, which is a number, and {root_of(arguments)} does not exist")
    directory = _directory(arguments)
    from components.pushing import records, versions

    before = versions.versions(directory)[-1]
    new = versions.rollback(directory, int(numbers[0]) if numbers else None)
    if record := records.read(new):
        print(f"Published version {record.repeats} again as {new}")
        if record.metrics:
            print(f"  {_figures(record.metrics)}")
    print("Model servers load it next. It stays until a run pushes a new model. To undo:")
    print(f"  bigvocab rollback {before}{_place(arguments)}")
    return 0


def _place(arguments: argparse.Namespace) -> str:
    """Return the arguments that select the same root in another command."""
    preset = f" {arguments.preset}" if arguments.preset != DEFAULT_PRESET else ""
    return preset + (f" --root {arguments.root}" if arguments.root else "")


def _directory(arguments: argparse.Namespace) -> Path:
    """Return the folder of the versions.

    Raises:
        UserError: The folder has no version.
    """
    from components.pushing import versions

    directory = Path(Paths.of(root_of(arguments)).serving)
    if not versions.versions(directory):
        raise UserError(f"{directory}: no model was pushed yet; `bigvocab run {arguments.preset}` pushes one")
    return directory


def _figures(metrics: records.Metrics | None) -> str:
    if not metrics:
        return _MISSING
    from components.metrics.headline import headline

    return headline(metrics)
