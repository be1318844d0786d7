"""Served version of a model: the highest number in the folder, as in TensorFlow Serving."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.pushing.versions import versions
from components.serving.model import Model
from components.serving.rest.errors import NOT_FOUND, RequestError

POLL_SECONDS = 1.0
"""Time between two looks into the folder, as in TensorFlow Serving."""
_Files = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Broken:
    """Version that could not be loaded.

    Attributes:
        version: Number of the version.
        reason: Reason in one line.
        files: Names, times and sizes of its files. If they change, the version is tried again.
    """

    version: int
    reason: str
    files: _Files


class Versions:
    """Loader of the newest version, which replaces the served version without a pause.

    A new version is loaded and has answered a row before it receives requests. Requests in progress end on the old
    version, whose memory is then freed. If a new version cannot be loaded, the old one stays.

    Args:
        folder: Folder of all versions, or of one version, which then stays.
        name: Name of the model in the paths.
        say: Called with a line for people when the served version changes, and when a version is broken.
        load: Function that loads a version.

    Attributes:
        name: Name of the model in the paths.
        loads: Number of versions that were loaded, and of those that were broken.

    Raises:
        PredictError: The folder holds no version, or the newest one cannot be loaded.
    """

    def __init__(
        self, folder: Path, name: str, say: Callable[[str], object], load: Callable[[Path], Model] = Model
    ) -> None:
        self.name = name
        self.loads = {"loaded": 0, "broken": 0}
        self._folder, self._say, self._load = folder, say, load
        self._one = not versions(folder)
        self._broken: Broken | None = None
        self._stop = threading.Event()
        self._poll_lock = threading.Lock()
        newest = folder if self._one else folder / str(versions(folder)[-1])
        self._current = self._loaded(newest)

    @property
    def current(self) -> Model:
        """Model that answers requests."""
        return self._current

    @property
    def broken(self) -> Broken | None:
        """Newest version, if it could not be loaded."""
        return self._broken

    @contextlib.contextmanager
    def using(self, name: str, version: str | None = None) -> Iterator[Model]:
        """Keep the model in memory during a request.

        Args:
            name: Name of the model in the path.
            version: Number of the version in the path. None: the served one.

        Raises:
            RequestError: No such model or version is served.
        """
        while True:
            model = self._current
            wanted = model.version if version is None else int(version)
            if name != self.name or wanted != model.version:
                asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                known = f"the model here is '{self.name}', version {model.version}"
                raise RequestError(f"Servable not found for request: {asked}; {known}", NOT_FOUND)
            if model.enter():
                break  # Otherwise a new version has just replaced it.
        try:
            yield model
        finally:
            model.leave()

    def statuses(self) -> list[dict[str, Any]]:
        """Return the state of the served version, and of the newest one if it is broken, as TensorFlow Serving does."""
        found = [_status(self._current.version, "AVAILABLE", "OK", "")]
        if broken := self._broken:
            found.insert(0, _status(broken.version, "END", "UNKNOWN", broken.reason))
        return found

    def watch(self, seconds: float = POLL_SECONDS) -> None:
        """Start a thread that looks for a new version at intervals, until `close`."""
        threading.Thread(target=self._watch, args=(seconds,), name="versions", daemon=True).start()

    def poll(self) -> None:
        """Load the newest version, unless it is served already or is known to be broken."""
        with self._poll_lock:
            if self._one or not (found := versions(self._folder)):
                return
            if found[-1] == self._current.version:
                self._broken = None  # A rollback by hand: the broken version was deleted.
                return
            folder = self._folder / str(found[-1])
            files = _files(folder)
            if self._broken and (self._broken.version, self._broken.files) == (found[-1], files):
                return
            try:
                new = self._loaded(folder)
            except Exception as error:  # Whatever is wrong with the new version, the old one keeps answering.
                reason = " ".join(str(error).split()) or type(error).__name__
                self._broken, self.loads["broken"] = Broken(found[-1], reason, files), self.loads["broken"] + 1
                self._say(f"Version {found[-1]} is broken, version {self._current.version} stays: {reason}")
                return
            old, self._current, self._broken = self._current, new, None
            old.retire()
            self._say(f"Version {new.version} replaces version {old.version}")
            del old
            gc.collect()  # The graph of the old version consists of cycles.

    def close(self) -> None:
        """Stop looking for new versions, and free the model."""
        self._stop.set()
        with self._poll_lock:
            self._current.retire()

    def _loaded(self, folder: Path) -> Model:
        model = self._load(folder)
        try:
            model.warm()
        except Exception:
            model.retire()
            raise
        self.loads["loaded"] += 1
        return model

    def _watch(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            try:
                self.poll()
            except OSError as error:  # A network volume may be away for a while.
                self._say(f"{self._folder} cannot be read: {error}")


def _status(version: int, state: str, code: str, message: str) -> dict[str, Any]:
    return {"version": str(version), "state": state, "status": {"error_code": code, "error_message": message}}


def _files(folder: Path) -> _Files:
    found = [(str(path), stat.st_mtime_ns, stat.st_size) for path in folder.rglob("*") if (stat := path.stat())]
    return tuple(sorted(found))
