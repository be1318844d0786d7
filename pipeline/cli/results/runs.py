"""Command that lists runs with their figures: `bigvocab runs`."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from components.messages.exit_codes import UserError
from components.messages.formatting import duration
from components.messages.spelling import did_you_mean
from pipeline.cli.arguments import Parser, folder
from pipeline.paths import Paths

if TYPE_CHECKING:
    from components.report.summary import Summary

State = Literal["running", "stopped", "elsewhere", "pushed", "not pushed", "failed", "interrupted", "unreadable"]
_SIGNS = ("metadata.sqlite", "report", "serving")
"""Entries of the root of a run, of which one is enough."""
_MISSING = "-"
_RUN_ID = "%Y-%m-%d_%H-%M-%S.%f"
"""Form of the name of a log, which is the time of the start of a run on the clock of its machine."""


@dataclass(frozen=True)
class Run:
    """Last run under a root.

    Attributes:
        root: Folder of the run.
        name: Name of the folder.
        state: `running`, `stopped` (SIGSTOP) or `elsewhere` (on another machine) if a process holds the root. Otherwise
            the end of the last run.
        about: Text after the state: the failed node, or the fault of the summary.
        started: Time of the start of a run after the one of the summary, which has not ended; None without one.
        version: Newest pushed version; None without one.
        summary: Summary of the last run that ended; None without one.
    """

    root: Path
    name: str
    state: State
    about: str = ""
    started: datetime.datetime | None = None
    version: int | None = None
    summary: Summary | None = None

    @property
    def time(self) -> datetime.datetime | None:
        """Time that sorts the runs: of the end, or of the start of a run that has not ended."""
        times = [self.started, datetime.datetime.fromisoformat(self.summary.finished) if self.summary else None]
        return max((time for time in times if time), default=None)

    @property
    def rows(self) -> int | None:
        """Rows of all splits."""
        counts = [split.rows for split in self.summary.examples.values()] if self.summary else []
        return sum(counts) if counts else None

    def as_data(self) -> dict[str, Any]:
        """Return the run as JSON data."""
        summary = self.summary.model_dump(mode="json") if self.summary else {}
        return {
            "name": self.name,
            "root": str(self.root),
            "state": self.state,
            "about": self.about,
            "preset": summary.get("name"),
            "started": self.started.isoformat() if self.started else None,
            "finished": summary.get("finished"),
            "seconds": summary.get("seconds"),
            "rows": self.rows,
            "metrics": summary.get("metrics"),
            "margins": summary.get("margins", []),
            "version": self.version,
        }


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    runs = commands.add_parser(
        "runs",
        help="list the runs with their figures, newest first",
        description="List the last run of each root below a folder with its figures, newest first.",
    )
    runs.add_argument("folder", nargs="?", type=folder, default=Path("runs"), metavar="FOLDER", help="default: runs")
    runs.add_argument(
        "--json",
        action="store_true",
        help="print a JSON list instead: name, root, state, about, preset, started, finished, seconds, rows, metrics, "
        "margins and version",
    )
    runs.set_defaults(do=_runs)


def read_runs(place: Path) -> list[Run]:
    """Return the runs whose roots are in a folder, or the run whose root is the folder, newest first."""
    roots = [place] if _is_root(place) else [entry for entry in sorted(place.iterdir()) if _is_root(entry)]
    earliest = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    return sorted(map(_run, roots), key=lambda run: run.time or earliest, reverse=True)


def _is_root(place: Path) -> bool:
    return place.is_dir() and any((place / sign).exists() for sign in _SIGNS)


def _run(root: Path) -> Run:
    from components.pushing import versions
    from components.report.summary import Summary

    paths, file = Paths.of(root), root / "report" / "summary.json"
    known: dict[str, Any] = {"root": root, "name": root.resolve().name}
    known["version"] = max(versions.versions(Path(paths.serving)), default=None)
    summary, fault = None, ""
    if file.is_file():
        try:
            summary = Summary.read(file)
            datetime.datetime.fromisoformat(summary.finished)
        except (ValueError, OSError) as error:
            summary, fault = None, " ".join(str(error).split("\n")[:2])
    started = max(_starts(Path(paths.logs)), default=None)
    ended = datetime.datetime.fromisoformat(summary.finished) if summary else None
    # A run that ended wrote its summary after its log began.
    unfinished = started if started and (ended is None or started > ended) else None
    state, about = _state(root, summary, unfinished is not None, fault)
    return Run(**known, state=state, about=about, started=unfinished, summary=summary)


def _starts(logs: Path) -> Iterator[datetime.datetime]:
    """Yield the start of each run that has a log."""
    for log in logs.glob("*.log"):
        try:
            yield datetime.datetime.strptime(log.stem, _RUN_ID).astimezone()
        except ValueError:
            continue


def _state(root: Path, summary: Summary | None, unfinished: bool, fault: str) -> tuple[State, str]:
    """Return the state of a root, and the text after it."""
    from pipeline.lease.acquisition import FOLDER
    from pipeline.lease.holder import Machine
    from pipeline.lease.observation import WHOLE, Others, Timing

    for _, holder, state in Others(root / FOLDER, WHOLE, Machine.this(), Timing()).live():
        if state != "gone":
            return state, str(holder or "")
    if fault:
        return "unreadable", fault
    if unfinished or summary is None:
        return "interrupted", ""
    if summary.failure:
        return "failed", summary.failure.node
    return ("pushed", "") if summary.pushed else ("not pushed", "; ".join(summary.failures[:1]))


def _runs(arguments: argparse.Namespace) -> int:
    place: Path = arguments.folder
    if not place.is_dir():
        near = did_you_mean(place.name, [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else [])
        raise UserError(f"{place} does not exist{near or '; `bigvocab run` creates runs/'}")
    found = read_runs(place)
    if arguments.json:
        print(json.dumps([run.as_data() for run in found], indent=1))
        return 0
    from components.messages.terminal import Terminal, table

    terminal = Terminal(sys.stdout)
    if not found:
        terminal.line(f"{place} has no run; `bigvocab run` creates one")
        return 0
    header = ["run", "preset", "finished", "took", "rows", "test split", "over the best baseline", "version", "state"]
    terminal.write([table(map(_cells, found), header, figures=False)])
    return 0


def _cells(run: Run) -> list[str]:
    from components.metrics.headline import headline
    from components.report.html import moment

    summary = run.summary
    version = str(run.version) if run.version else _MISSING
    state = f"{run.state}: {run.about}" if run.about else run.state
    started = f"started {run.started:%Y-%m-%d %H:%M}" if run.started else _MISSING
    if summary is None:
        return [run.name, _MISSING, started, *[_MISSING] * 4, version, state]
    metrics = summary.metrics.model_dump() if summary.metrics else None
    return [
        run.name,
        summary.name,
        started if run.started else moment(summary.finished),
        _MISSING if run.started else duration(summary.seconds),
        f"{run.rows:,}" if run.rows else _MISSING,
        headline(metrics, own=summary.own_metrics) if metrics else _MISSING,
        _margin(summary),
        version,
        state,
    ]


def _margin(summary: Summary) -> str:
    """Return the margin over the best baseline in the first metric that has one."""
    from components.report.tables import margin_in_words, margins

    found = margins(summary)
    if not found:
        return _MISSING
    (column, first), *_ = found
    return f"{column.label} {margin_in_words(column, first)}"
