"""The verdict on a model: a file that the child process writes and its parent reads."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from components.files import write_whole


class Verdict(BaseModel):
    """Verdict on a model, or a step of the child process on its way to one."""

    step: str = "starting"
    ok: bool | None = None
    """None: not decided yet."""
    cause: str = ""
    """Why not, in a sentence."""
    is_of_storage: bool = False
    """The cause is a fault of the file system, not of the model."""

    def write(self, path: str | Path) -> None:
        """Write the verdict in place of an earlier one; a reader sees one or the other, whole."""
        write_whole(path, self.model_dump_json())

    @classmethod
    def read(cls, path: str | Path) -> Verdict:
        """Return the verdict in a file, or one of the first step if the file does not exist."""
        return cls.model_validate_json(Path(path).read_bytes()) if Path(path).exists() else cls()
