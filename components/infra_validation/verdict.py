"""Verdict on a model, as a file that the child process writes and the parent reads."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from components.files import write_whole


class Verdict(BaseModel):
    """Verdict on a model, or the current step of the child process while it is undecided."""

    step: str = "starting"
    ok: bool | None = None
    """True if the model is good. None: not decided yet."""
    cause: str = ""
    """Cause of a refusal, in one sentence."""
    is_of_storage: bool = False
    """True if the cause is a fault of the file system, not of the model."""

    def write(self, path: str | Path) -> None:
        """Write the verdict atomically: a reader sees either the earlier verdict or this one."""
        write_whole(path, self.model_dump_json())

    @classmethod
    def read(cls, path: str | Path) -> Verdict:
        """Return the verdict in a file, or an undecided one of the first step if the file does not exist."""
        return cls.model_validate_json(Path(path).read_bytes()) if Path(path).exists() else cls()
