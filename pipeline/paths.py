"""What lies where under the root of a pipeline's runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    root: Path

    @property
    def metadata(self) -> Path:
        return self.root / "metadata.sqlite"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def serving(self) -> Path:
        return self.root / "serving"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def report(self) -> Path:
        return self.root / "report"

    def prepare(self) -> None:
        """Makes the folders; `tensorboard` points at the Trainer's own logs, so that it is watched as it trains."""
        runs = self.artifacts / "Trainer" / "model_run"
        for folder in (self.artifacts, self.serving, self.checkpoints, self.logs, self.report, runs):
            folder.mkdir(parents=True, exist_ok=True)
        if not self.tensorboard.exists():
            self.tensorboard.unlink(missing_ok=True)
            self.tensorboard.symlink_to(runs.relative_to(self.root))
