"""Reading of the file of labels."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from components.files import exists, is_remote, names_beside, open_bytes
from components.ingest.errors import BrokenFile, IngestError, RowError, nearest
from components.ingest.sources.base import Lines
from components.ingest.sources.csv import Csv, CsvSpec
from components.labels.spec import LabelsSpec
from components.messages.spelling import did_you_mean

Items = Mapping[str, Mapping[str, str]]
"""Cells of the features of each label, by the text of the label. A missing cell is empty."""
_SHOWN = 20
"""Faults in a message, at most."""


class LabelsError(IngestError):
    """Faults of the file of labels. The message has a line for each fault."""


def read_items(spec: LabelsSpec, place: str = "labels") -> Items:
    """Read the file of labels.

    Args:
        spec: Configuration of the features of labels.
        place: Configuration key or command that names the file and its columns, for messages.

    Raises:
        LabelsError: The file does not exist or cannot be read; a column is missing or occurs twice; a label has no text
            or two lines; a line cannot be read, or a number is not one. The message lists all faults, each with its
            line.
    """
    file = spec.file
    if not is_remote(file) and not exists(file):
        beside = did_you_mean(Path(file).name, names_beside(file))
        raise LabelsError(f"{place}.file: {file} does not exist{beside}")
    try:
        source = Csv(CsvSpec(kind="csv", path=file))
        columns = source.columns(file, ())
        if columns is None:
            raise LabelsError(f"{place}.file: {file} is empty: its first line names the columns")
        _check_columns(spec, columns, place)
        return _rows(spec, source)
    except BrokenFile as error:
        raise LabelsError(f"{place}.file: {error}") from error


def digest(file: str) -> str:
    """Return a hash of the contents of a file."""
    with open_bytes(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]


def _check_columns(spec: LabelsSpec, columns: list[str], place: str) -> None:
    wanted = {spec.key: f"{place}.key", **dict.fromkeys(spec.features, f"{place}.features")}
    counted = Counter(columns)
    faults = [
        f"{key}: {spec.file} has no column '{name}'{nearest(name, filter(None, columns))}"
        for name, key in wanted.items()
        if name not in counted
    ]
    faults += [
        f"{key}: {counted[name]} columns of {spec.file} are named '{name}': rename all but one"
        for name, key in wanted.items()
        if counted[name] > 1
    ]
    if faults:
        raise LabelsError("\n".join(faults))


def _rows(spec: LabelsSpec, source: Csv) -> Items:
    items: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    faults: list[str] = []
    for file_range in source.ranges(spec.file):
        for line, row in source.rows(file_range, [spec.key, *spec.features], Lines()):
            where = f"{spec.file}:{line}"
            if isinstance(row, RowError):
                faults.append(f"{where}: {row}")
                continue
            label = row[spec.key]
            if not label:
                faults.append(f"{where}: column '{spec.key}' is empty: write the label, or remove the line")
            elif label in items:
                faults.append(f"{where}: duplicate label '{label}', first in line {lines[label]}: remove one line")
            else:
                # The last columns of a row may be missing.
                items[label] = {name: (row.get(name) or "").strip() for name in spec.features}
                lines[label] = line
                faults += [
                    f"{where}: column '{name}' is '{items[label][name]}', which is not a number"
                    for name, of in spec.features.items()
                    if of.kind == "number" and not _is_number(items[label][name])
                ]
    if faults:
        more = [f"... and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise LabelsError("\n".join([*faults[:_SHOWN], *more]))
    if not items:
        raise LabelsError(f"{spec.file} has no lines below its header")
    return items


def _is_number(text: str) -> bool:
    """Return True if a cell is a finite number or empty."""
    try:
        return not text or math.isfinite(float(text))
    except ValueError:
        return False
