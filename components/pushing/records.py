"""Record of a push, stored in the version itself, so that one rename publishes both."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from components.files import write_whole

PLACE = Path("assets.extra", "push.json")
"""Path in a version. TensorFlow and model servers ignore other files in `assets.extra`."""
CARDS = ("assets.extra/model_card.md", "assets.extra/model_card.html")
"""Paths of the model card in a version."""
Metrics = dict[str, float | None]


class Record(BaseModel):
    """Facts about the push of one version. Unknown keys, as of a newer BigVocab, are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pushed: datetime
    """Time of the push, in UTC."""
    digest: str
    """Digest of the model's files: see `digest`."""
    metrics: Metrics = {}
    """Metrics of the label over the whole test split, by name. Empty if unknown."""
    previous: Metrics | None = None
    """The same metrics of the last blessed model, on the same rows. None if no model was blessed before."""
    repeats: int | None = None
    """Version with the same model that a rollback published again. None: the push was not a rollback."""
    withdrawn: list[str] = []
    """Digests of the models that the rollback replaced. They are not pushed while this version is the newest."""


def read(version: Path) -> Record | None:
    """Return the record of a version, or None if the version has no valid record, as those of older releases."""
    try:
        return Record.model_validate_json((version / PLACE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write(version: Path, record: Record) -> None:
    """Write the record of a version. If its file is a link to the record of another version, that record stays."""
    write_whole(version / PLACE, record.model_dump_json(indent=1))


def files(model: Path) -> dict[str, Path]:
    """Return the files of a model by their path in it, sorted, without the record and the card."""
    found = {path.relative_to(model).as_posix(): path for path in model.rglob("*") if path.is_file()}
    for name in (PLACE.as_posix(), *CARDS):
        found.pop(name, None)
    return dict(sorted(found.items()))


def digest(model: Path) -> str:
    """Return the SHA-256 digest of the names and the contents of a model's files, without the record and the card."""
    whole = hashlib.sha256()
    for name, path in files(model).items():
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256")
        whole.update(f"{content.hexdigest()} {name}\n".encode())
    return whole.hexdigest()
