"""Image store of buildah in a folder, and containers of its images.

The store is separate from the images of this machine. Containers run without a container engine: buildah changes the
root folder (`--isolation chroot`), and they share the network of this machine.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fresh_machine.machine import Failed, mounts_below


@dataclass(frozen=True)
class Ended:
    """Result of a container.

    Attributes:
        code: Exit code.
        out: Standard output.
        seconds: Duration.
        changed: Paths that the command created, changed or removed in the file system of the container.
    """

    code: int
    out: str
    seconds: float
    changed: frozenset[str]


class Store:
    """Images and containers in a folder.

    Args:
        folder: Folder of the store. An existing store is used again, with its bases and the packages from the index.
        log: File to which the output of all commands is appended.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder, self._log = folder, log
        self._temporary = folder / "tmp"
        self._temporary.mkdir(parents=True, exist_ok=True)
        places = ("--root", f"{folder}/storage", "--runroot", f"{folder}/run")
        # `changed` reads the upper folder of an overlay.
        self._command = ("buildah", *places, "--storage-driver", "overlay")

    def import_tree(self, name: str, *sources: Path) -> None:
        """Make an image of one layer from the contents of tar files or from single files, unless it is in the store."""
        if not self._run("inspect", "--type", "image", name).returncode:
            return
        container = self("from", "scratch")
        self("add", "--quiet", container, *map(str, sources), "/")
        self("commit", "--quiet", "--rm", container, name)

    def build(self, name: str, dockerfile: Path, target: str, arguments: Mapping[str, str], secrets: Mapping[str, Path],
              context: Path) -> None:  # fmt: skip
        """Build a target of a Dockerfile."""
        words = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        words += [word for key, file in secrets.items() for word in ("--secret", f"id={key},src={file}")]
        place = ("--target", target, "--tag", name, "--file", str(dockerfile), str(context))
        # Without the cache: buildah 1.28 does not mount a stage that it took from its cache (`--mount=from=STAGE`).
        self("build", "--isolation", "chroot", "--layers", "--no-cache", *words, *place)

    def run(
        self, image: str, command: Sequence[str], volumes: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Ended:
        """Run a command in a container of its own, as the user of the image, and remove the container.

        Args:
            image: Name of the image.
            command: Command, which replaces the entry point of the image.
            volumes: Folders of this machine to mount, in the notation of `buildah run --volume`.
            environment: Variables beside those of the image.
        """
        container = self("from", "--pull-never", image)
        try:
            words = [word for volume in volumes for word in ("--volume", volume)]
            words += [word for name, value in (environment or {}).items() for word in ("--env", f"{name}={value}")]
            started = time.monotonic()
            done = self._run("run", "--isolation", "chroot", *words, container, "--", *command)
            seconds = time.monotonic() - started
            return Ended(done.returncode, done.stdout, seconds, self._changed(container))
        finally:
            self("rm", container)

    def size(self, image: str) -> int:
        """Return the size of an image in bytes."""
        return sum(size for _, size in self.layers(image))

    def layers(self, image: str) -> list[tuple[str, int]]:
        """Return the step that made each layer, and its size in bytes; the oldest first."""
        about = json.loads(self("inspect", "--type", "image", image))["OCIv1"]
        stored = json.loads((self._folder / "storage" / "overlay-layers" / "layers.json").read_text())
        sizes = {layer["diff-digest"]: layer["diff-size"] for layer in stored if "diff-digest" in layer}
        steps = [step.get("created_by", "") for step in about["history"] if not step.get("empty_layer")]
        return [(step, sizes[digest]) for step, digest in zip(steps, about["rootfs"]["diff_ids"], strict=True)]

    def containing(self, text: str) -> list[str]:
        """Return the files in the store with a text: layers of all stages, configurations, histories."""
        command = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", text, f"{self._folder}/storage"]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.splitlines()

    def __call__(self, *arguments: str) -> str:
        """Run a command of buildah, and return its standard output.

        Raises:
            Failed: The exit code is not 0.
        """
        done = self._run(*arguments)
        if done.returncode:
            raise Failed(f"exit code {done.returncode} of buildah {shlex.join(arguments)}\n{self.last_lines()}")
        return done.stdout.strip()

    def last_lines(self) -> str:
        """Return the end of the log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-40:])

    def remove(self) -> None:
        """Remove all containers and images, and the folder.

        Raises:
            Failed: A mount exists below the folder, which is then left unchanged.
        """
        self._run("rm", "--all")
        self._run("rmi", "--all", "--force")
        if mounted := mounts_below(self._folder, Path("/proc/self/mountinfo").read_text()):
            raise Failed(f"{self._folder} was not removed, because of mounts: {', '.join(mounted)}")
        shutil.rmtree(self._folder)

    def _changed(self, container: str) -> frozenset[str]:
        """Return the paths in the writable layer of a container."""
        root = self("mount", container)
        try:
            options = subprocess.run(
                ["findmnt", "--noheadings", "--output", "OPTIONS", root], stdout=subprocess.PIPE, text=True, check=True
            ).stdout
            (upper,) = [Path(word[9:]) for word in options.strip().split(",") if word.startswith("upperdir=")]
            return frozenset(f"/{path.relative_to(upper)}" for path in upper.rglob("*"))
        finally:
            self("umount", container)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self._command, *arguments]
        with self._log.open("a") as log:
            log.write(f"$ {shlex.join(command)}\n")
            log.flush()
            # Cache mounts are below TMPDIR. A session of its own: an interrupt ends buildah with all its processes.
            process = subprocess.Popen(
                command, env={**os.environ, "TMPDIR": str(self._temporary)}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
            assert process.stdout
            output = []
            try:
                for line in process.stdout:
                    log.write(line)
                    log.flush()
                    output.append(line)
                code = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
        return subprocess.CompletedProcess(command, code, "".join(output))
