"""Sides of a comparison: runs and versions, as a user names them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.inference.errors import PredictError
from components.inference.model import PushedModel
from components.messages.exit_codes import UserError
from components.messages.spelling import did_you_mean
from components.pushing import versions
from components.report.summary import Summary
from pipeline.config.preset_files import preset_names
from pipeline.metadata.lineage import Lineage, lineage
from pipeline.prediction.model import newest_version

RUNS = Path("runs")
"""Folder of the runs' roots."""
_SUMMARY = Path("report", "summary.json")


@dataclass(frozen=True)
class Side:
    """Run or version that is compared.

    Attributes:
        name: Name in tables.
        version: Folder of the pushed model; None if it has none.
        root: Root of the runs; None if the place is not below one.
        summary: Summary of the last run of the root; None if there is none, or if an earlier version is compared.
        reason: Reason why `version` is None; empty otherwise.
    """

    name: str
    version: Path | None
    root: Path | None
    summary: Summary | None
    reason: str = ""

    @property
    def run(self) -> str:
        """Name of the run, or of the side if it is not below the root of one."""
        return self.root.resolve().name if self.root else self.name

    @functools.cached_property
    def model(self) -> PushedModel | None:
        """Pushed model, which is not loaded yet; None without a version."""
        return PushedModel(self.version) if self.version else None

    @functools.cached_property
    def lineage(self) -> Lineage | None:
        """Origin of the model; None if no metadata store under the root records it."""
        return lineage(self.root, self.version) if self.root and self.version else None

    @property
    def settings(self) -> dict[str, Any]:
        """Sections of the configuration that determine the model; only `data` without its lineage."""
        found = self.lineage.settings if self.lineage else {}
        return {**found, "data": self.model.data.model_dump(mode="json")} if self.model else found


def sides(places: Sequence[str]) -> list[Side]:
    """Return the runs and versions that a user names, each with its own name.

    Args:
        places: Roots of runs, folders of versions, folders of reports, files `summary.json`, or presets, whose runs are
            in `runs/`.

    Raises:
        UserError: A place holds neither a model nor a summary, or is named twice. The error names all such places.
    """
    found, faults = [], []
    for place in places:
        try:
            found.append(_side(place))
        except (UserError, PredictError) as error:
            faults.append(str(error))
    if faults:
        raise UserError("; ".join(faults))
    for one, other in _pairs(found):
        if (one.version, one.root) == (other.version, other.root) and (one.version or one.root):
            raise UserError(f"{other.version or other.root} is named twice: name two runs or versions")
    return _with_own_names(found, places)


def _side(place: str) -> Side:
    path = Path(place).expanduser()
    if not path.exists() and place in preset_names():
        path = RUNS / place
        if not path.exists():
            raise UserError(f"{path} does not exist; `bigvocab run {place}` creates it")
    if not path.exists():
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"{place}: no such run, version or preset{did_you_mean(path.name, [*beside, *preset_names()])}")
    if path.is_file() or (path / _SUMMARY.name).is_file():
        return _of_summary(path if path.is_file() else path / _SUMMARY.name)
    if (path / "serving").is_dir() or (path / _SUMMARY).is_file():
        return _of_root(path)
    if path.name == "serving":
        return _of_root(path.parent)
    version = newest_version(path)
    PushedModel(version)  # Raises an error if it is no model.
    root = version.parent.parent if version.parent.name == "serving" else None
    return Side(f"{root.resolve().name}/{version.name}" if root else version.name, version, root, None)


def _of_root(root: Path) -> Side:
    summary = Summary.read(root / _SUMMARY) if (root / _SUMMARY).is_file() else None
    numbers = versions.versions(root / "serving")
    name = root.resolve().name
    if numbers:
        return Side(name, root / "serving" / str(numbers[-1]), root, summary)
    if summary is None:
        raise UserError(f"{root}: no model was pushed, and no run wrote a report")
    return Side(name, None, root, summary, f"{root / 'serving'} has no version")


def _of_summary(file: Path) -> Side:
    try:
        summary = Summary.read(file)
    except ValueError as error:
        raise UserError(f"{file} is no summary of a run: {str(error).splitlines()[-1].strip()}") from error
    if file.resolve().parent.name == "report" and (file.resolve().parent.parent / "serving").is_dir():
        return _of_root(file.parent.parent if file.parent.name == "report" else file.resolve().parent.parent)
    pushed = Path(summary.pushed_to) if summary.pushed_to else None
    if pushed and (pushed / versions.MAIN_FILE).is_file():
        return Side(f"{pushed.parent.parent.name}/{pushed.name}", pushed, pushed.parent.parent, summary)
    reason = f"{pushed} does not exist" if pushed else "its run pushed no model"
    return Side(f"{summary.name} ({file.name})", None, None, summary, reason)


def _with_own_names(found: Sequence[Side], places: Sequence[str]) -> list[Side]:
    """Return the sides with distinct names: those of versions, or else the places as the user wrote them.

    Versions of one run are named without the run.
    """
    names = [side.name for side in found]
    if len({side.root and side.root.resolve() for side in found}) == 1 and all(side.version for side in found):
        names = [f"version {side.version.name}" for side in found if side.version]
    if len(set(names)) < len(names):
        names = [f"{s.name.partition('/')[0]}/{s.version.name}" if s.version else s.name for s in found]
    if len(set(names)) < len(names):
        names = [place.rstrip("/") for place in places]
    return [Side(name, s.version, s.root, s.summary, s.reason) for name, s in zip(names, found, strict=True)]


def _pairs(found: Sequence[Side]) -> list[tuple[Side, Side]]:
    return [(one, other) for place, other in enumerate(found) for one in found[:place]]
