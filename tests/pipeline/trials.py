"""InfraValidator's child process as a fork, so that it does not import TensorFlow anew in each run of a test.

The import takes most of the child's CPU time. `tests/components/infra_validation` starts the real child.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from components.infra_validation import process, trial


def fork_trials() -> None:
    """Let this process fork the children of InfraValidator, by way of a process that is forked now.

    This process must have one thread now; later it may have several. The forked process ends with this one.
    """
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)  # Keeps messages apart.
    if not os.fork():
        ours.close()
        os._exit(_serve(theirs))
    theirs.close()

    def start(model: str, rows: Path, verdict: Path, memory_mb: int, log: BinaryIO) -> _Trial:
        return _Trial(ours, [str(Path(model).resolve()), str(rows), str(verdict), str(memory_mb)], log)

    process.start = start  # pyright: ignore[reportAttributeAccessIssue]


class _Trial:
    """Child process with those methods of `subprocess.Popen` that its parent calls.

    Args:
        server: Socket of the process that forks it.
        arguments: Arguments of `trial.main`.
        log: File for its output.
    """

    def __init__(self, server: socket.socket, arguments: list[str], log: BinaryIO) -> None:
        self._server, self._code = server, None
        read, self._stdin = os.pipe()
        socket.send_fds(server, [json.dumps(arguments).encode()], [read, log.fileno()])
        os.close(read)
        self.pid = int(server.recv(64))
        self._ended = threading.Event()
        threading.Thread(target=self._wait, daemon=True).start()

    def wait(self, seconds: float | None = None) -> int:
        if not self._ended.wait(seconds):
            raise subprocess.TimeoutExpired("trial", seconds or 0.0)
        assert self._code is not None
        return self._code

    def kill(self) -> None:
        if not self._ended.is_set():
            os.kill(self.pid, signal.SIGKILL)

    def __enter__(self) -> _Trial:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stdin)
        self.wait()

    def _wait(self) -> None:
        self._code = int(self._server.recv(64))
        self._ended.set()


def _serve(server: socket.socket) -> int:
    """Fork a child for each request, one after the other, and send its id and then its exit code."""
    while True:
        request, descriptors, *_ = socket.recv_fds(server, 1 << 16, 2)
        if not request:
            return 0
        child = os.fork()
        if not child:
            stdin, log = descriptors
            for descriptor, target in ((stdin, 0), (log, 1), (log, 2)):
                os.dup2(descriptor, target)
            server.close()
            sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
            trial.main(*json.loads(request))
        for descriptor in descriptors:
            os.close(descriptor)
        server.send(str(child).encode())
        server.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
