"""What lies where under the root of a pipeline's runs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from components.files import is_remote


@dataclass(frozen=True)
class Paths:
    """Places under a root.

    Attributes:
        root: an absolute folder, or one of an object store (`gs://bucket/folder`); without a slash at its end.
    """

    root: str

    @classmethod
    def of(cls, root: str | Path) -> Paths:
        """Those of a root as a user names it."""
        return cls(str(root).rstrip("/") if is_remote(root) else str(Path(root).expanduser().resolve()))

    @property
    def metadata(self) -> str:
        return f"{self.root}/metadata.sqlite"

    @property
    def artifacts(self) -> str:
        return f"{self.root}/artifacts"

    @property
    def serving(self) -> str:
        return f"{self.root}/serving"

    @property
    def checkpoints(self) -> str:
        return f"{self.root}/checkpoints"

    @property
    def schemas(self) -> str:
        return f"{self.root}/schemas"

    @property
    def tensorboard(self) -> str:
        return f"{self.root}/tensorboard"

    @property
    def logs(self) -> str:
        return f"{self.root}/logs"

    @property
    def report(self) -> str:
        return f"{self.root}/report"

    def prepare(self) -> None:
        """Makes the folders; `tensorboard` points at the Trainer's own logs, so that it is watched as it trains.

        An object store has neither folders nor links.
        """
        if is_remote(self.root):
            return
        runs = Path(self.artifacts, "Trainer", "model_run")
        for folder in (self.artifacts, self.serving, self.checkpoints, self.logs, self.report, runs):
            Path(folder).mkdir(parents=True, exist_ok=True)
        link = Path(self.tensorboard)
        if not link.exists():
            link.unlink(missing_ok=True)
            # A pod beside this one was faster, or the volume knows no links; the logs themselves can be watched too.
            with contextlib.suppress(OSError):
                link.symlink_to(runs.relative_to(self.root))
