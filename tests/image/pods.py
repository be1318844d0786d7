"""Containers of the image that run the tasks of a compiled pipeline as pods do."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fresh_machine.machine import Failed
from tests.image.buildah import Ended, Store
from tests.kubeflow import orchestrator

USER = 1000
_HIDDEN = ("/home/bigvocab", "/var/tmp", "/run/lock")
"""Folders of the image that its user could write to. A pod needs none of them."""
# `find` also names the mount points.
_WRITABLE = "find / -xdev -writable -not -type l 2>/dev/null; id -u"


class Pods:
    """Starter of containers that can write to the claim and to a /tmp of their own only.

    Args:
        store: Store with the image.
        image: Name of the image.
        folder: Folder for the claim and for temporary files.
        environment: Variables of each container: those that a cluster sets from a secret.
    """

    def __init__(self, store: Store, image: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._store, self._image, self._environment = store, image, environment
        self._folder, self.claim, self._empty = folder, folder / "claim", folder / "empty"
        for made in (self.claim, self._empty):
            shutil.rmtree(made, ignore_errors=True)  # Those of an earlier try in a folder that was kept.
            made.mkdir()
            os.chown(made, USER, USER)
        # buildah creates the mount points.
        self._always = self._start(image, ["true"]).changed

    def check_user(self) -> None:
        """Check that the image's user can write to the claim and to /tmp only.

        Raises:
            Failed: The user is another, or can write elsewhere.
        """
        *found, user = self.command("sh", "-c", _WRITABLE).out.split()
        if user != str(USER):
            raise Failed(f"the image runs as user {user} and not as user {USER}")
        if set(found) != {"/data", "/tmp"}:
            raise Failed(f"user {USER} can write to {', '.join(found)} and not to /data and /tmp only")
        for place in ("/home/bigvocab", "/opt/bigvocab", "/var/tmp", "/"):
            if not self._start(self._image, ["touch", f"{place}/new"]).code:
                raise Failed(f"user {USER} could write a file into {place}")

    def command(self, *command: str) -> Ended:
        """Run a command in a container of its own.

        Raises:
            Failed: The exit code is not 0, or something outside the claim has changed.
        """
        return self._checked(self._image, command)

    def run(self, pipeline: Path, each: Callable[[str, Ended], object]) -> None:
        """Run each task of a compiled pipeline in a container of its own, in the order of the DAG.

        Args:
            pipeline: Compiled pipeline.
            each: Function that gets the name and the result of each completed node.

        Raises:
            Failed: A task failed. No later task was started.
        """
        from kfp import components

        failed: list[Failed] = []

        def start(image: str, command: list[str]) -> int:
            try:
                ended = self._checked(image, command)
            except Failed as failure:
                failed.append(failure)
                return 1
            each(command[command.index("run-node") + 1], ended)
            return 0

        with pytest.MonkeyPatch.context() as patch:
            orchestrator.start_containers_by(start, patch, self._folder / "outputs")
            try:
                components.load_component_from_file(str(pipeline))()
            except RuntimeError:
                if failed:
                    raise failed[0] from None
                raise

    def check_results(self) -> tuple[str, dict[str, Any]]:
        """Return the name and the summary of the run.

        Raises:
            Failed: No model was pushed, the report is missing, or a file on the claim belongs to another user.
        """
        (file,) = self.claim.glob("runs/*/report/summary.json")
        summary = json.loads(file.read_text())
        if not (summary["pushed"] and file.with_name("report.html").stat().st_size):
            raise Failed(f"no model was pushed: {file.read_text()[:400]}")
        if len(self.versions()) != 1:
            raise Failed(f"the claim has the versions {self.versions()} and not one")
        others = [str(path) for path in self.claim.rglob("*") if path.lstat().st_uid != USER]
        if others:
            raise Failed(f"on the claim, these do not belong to user {USER}: {', '.join(others[:10])}")
        return file.parents[1].name, summary

    def versions(self) -> list[str]:
        return sorted(path.name for path in self.claim.glob("runs/*/serving/[0-9]*"))

    def _checked(self, image: str, command: Sequence[str]) -> Ended:
        ended = self._start(image, command)
        if ended.code:
            raise Failed(f"exit code {ended.code} of {' '.join(command[:5])} ...\n{self._store.last_lines()}")
        if changed := ended.changed - self._always:
            raise Failed(f"{' '.join(command[:5])} ... changed {', '.join(sorted(changed)[:10])}")
        return ended

    def _start(self, image: str, command: Sequence[str]) -> Ended:
        temporary = Path(tempfile.mkdtemp(dir=self._folder))
        temporary.chmod(0o1777)
        volumes = [f"{self.claim}:/data", f"{temporary}:/tmp", *(f"{self._empty}:{place}:ro" for place in _HIDDEN)]
        try:
            return self._store.run(image, command, volumes, self._environment)
        finally:
            shutil.rmtree(temporary)
