"""Minimal Debian in a folder, and commands in it.

Each command has its own mount and process namespace. Its mounts do not exist outside, and vanish with its last process.
Nothing of this machine is ever mounted below the folder that is removed at the end.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fresh_machine.host import PATH

PACKAGES = ("python3", "python3-venv", "ca-certificates")
CLONE = "root/bigvocab"
"""The clone of the repository, below the root of a machine."""
_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_ENTER = """
cd "$1"; shift
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys || true  # Not permitted in some containers, and not needed.
mkdir -p dev/shm
mount -t tmpfs tmpfs dev/shm
exec chroot . sh -ec 'cd "$1"; shift; exec "$@"' sh "$@"
"""


class Failed(RuntimeError):
    """Error: a command failed. The message has the last lines of its output."""


class Machine:
    """Debian in a folder. One thread calls its methods; any thread may call `stop`.

    Args:
        root: Folder that does not exist yet.
        suite: Debian's name of the release, such as `bookworm`.
        log: File to which the output of all commands is appended.
        environment: Variables for the commands on the machine, beside `PATH`, `HOME` and `LANG`.
    """

    def __init__(self, root: Path, suite: str, log: Path, environment: Mapping[str, str]) -> None:
        self.root, self.suite, self._log = root, suite, log
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._environment = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", **environment}
        self._lock = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._stopped = False

    def build(self, mirror: str, packages: Sequence[str] = PACKAGES) -> None:
        """Build a minimal Debian.

        Raises:
            Failed: debootstrap failed, or the machine has a compiler.
        """
        self.root.mkdir(parents=True)
        self._run(
            [*_NAMESPACES, "debootstrap", "--variant=minbase", f"--include={','.join(packages)}", self.suite,
             str(self.root), mirror],
            {**os.environ, "PATH": PATH},
        )  # fmt: skip
        for compiler in ("cc", "gcc", "g++", "clang"):
            if shutil.which(compiler, path=f"{self.root}/usr/bin"):
                raise Failed(f"the machine is not minimal: it has {compiler}")

    def clone(self, repository: Path) -> None:
        """Clone the checked-out commit."""
        self._run(["git", "clone", "--quiet", "--no-hardlinks", str(repository), str(self.root / CLONE)], os.environ)

    def __call__(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command in the clone, and return its output.

        Raises:
            Failed: The exit code is not 0.
        """
        entered = [*_NAMESPACES, "sh", "-ec", _ENTER, "sh", str(self.root), f"/{CLONE}", *command]
        return self._run(entered, {**self._environment, **(environment or {})})

    def stop(self) -> None:
        """End the running command with all its processes, and refuse further commands."""
        with self._lock:
            self._stopped = True
            if self._running is not None:
                os.killpg(self._running.pid, signal.SIGKILL)

    def remove(self) -> None:
        """Remove the folder.

        Raises:
            Failed: A mount exists below the folder, which is then left unchanged.
        """
        if mounted := mounts_below(self.root, Path("/proc/self/mountinfo").read_text()):
            raise Failed(f"{self.root} was not removed, because of mounts: {', '.join(mounted)}")
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.root)], check=True)

    def _run(self, command: Sequence[str], environment: Mapping[str, str]) -> str:
        with self._lock:
            if self._stopped:
                raise Failed("interrupted")
            # A separate session: Ctrl-C reaches only this program, which then stops the command.
            self._running = process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
        assert process.stdout
        output = []
        with self._log.open("a") as log:
            log.write(f"$ {shlex.join(command)}\n")
            # All processes of the namespace hold the pipe, so the output ends when the last process ends.
            for line in process.stdout:
                log.write(line)
                output.append(line)
        code = process.wait()
        with self._lock:
            self._running = None
            if self._stopped:
                raise Failed("interrupted")
        if code:
            raise Failed(f"exit code {code} of {shlex.join(command)}\n{''.join(output[-40:])}")
        return "".join(output)


def mounts_below(folder: Path, mountinfo: str) -> list[str]:
    """Return the mount points at or below a folder, from the text of `/proc/self/mountinfo`."""
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]
    return [point for point in points if Path(point).is_relative_to(folder)]
