"""Layout of the files under the root of a pipeline's runs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from components.files import is_remote


@dataclass(frozen=True)
class Paths:
    """Paths under a root.

    Attributes:
        root: Absolute path of a folder, or a folder in an object store (`gs://bucket/folder`), without trailing slash.
    """

    root: str

    @classmethod
    def of(cls, root: str | Path) -> Paths:
        """Return the paths under a root, given as a user writes it: relative, with `~`, or with a trailing slash."""
        return cls(str(root).rstrip("/") if is_remote(root) else str(Path(root).expanduser().resolve()))

    @property
    def metadata(self) -> str:
        """SQLite file of the metadata store."""
        return f"{self.root}/metadata.sqlite"

    @property
    def artifacts(self) -> str:
        """Folder of the outputs of all nodes."""
        return f"{self.root}/artifacts"

    @property
    def serving(self) -> str:
        """Folder of the pushed models, one version each."""
        return f"{self.root}/serving"

    @property
    def checkpoints(self) -> str:
        """Folder of the Trainer's checkpoints."""
        return f"{self.root}/checkpoints"

    @property
    def searches(self) -> str:
        """Folder of the trials of the Tuner, with their TensorBoard logs."""
        return f"{self.root}/searches"

    @property
    def workers(self) -> str:
        """Folder of the files through which the pods of one training find each other, by the id of the run."""
        return f"{self.root}/workers"

    @property
    def schemas(self) -> str:
        """Folder of the schema files that pods write, named by their hash."""
        return f"{self.root}/schemas"

    @property
    def tensorboard(self) -> str:
        """Link to the logs of the Trainer."""
        return f"{self.root}/tensorboard"

    @property
    def logs(self) -> str:
        """Folder of the log files of the runs."""
        return f"{self.root}/logs"

    @property
    def report(self) -> str:
        """Folder of `report.html` and `summary.json`."""
        return f"{self.root}/report"

    def prepare(self) -> None:
        """Create the folders, and the link `tensorboard` to the Trainer's logs.

        Through the link, TensorBoard shows the training while it runs. Does nothing in an object store, which has
        neither folders nor links.
        """
        if is_remote(self.root):
            return
        runs = Path(self.artifacts, "Trainer", "model_run")
        for folder in (self.artifacts, self.serving, self.checkpoints, self.logs, self.report, runs):
            Path(folder).mkdir(parents=True, exist_ok=True)
        link = Path(self.tensorboard)
        if not link.exists():
            link.unlink(missing_ok=True)
            # Another pod has just created the link, or the volume has no links. TensorBoard can also read the logs.
            with contextlib.suppress(OSError):
                link.symlink_to(runs.relative_to(self.root))
