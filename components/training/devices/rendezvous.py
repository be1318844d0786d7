"""Rendezvous of the workers of a training, through files in a shared folder.

No worker knows the addresses of the others in advance: a pod gets an address when it starts, and a new one when it
restarts. Therefore the chief calls, and each of the other workers answers the call with its address. When all workers
have answered, the chief publishes the addresses of all workers, and the training starts:

    call.json           by the chief: a new number for each call, and the arguments or the end of the training
    NUMBER/1.json       by worker 1: its address
    NUMBER/start.json   by the chief: all addresses, its own first

A worker that restarts does not join a start that it missed, and waits for the next call.
"""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from components.files import remove_tree, write_whole
from components.messages.progress import note

_POLL_SECONDS = 1.0
_CALL = "call.json"


class WorkerLost(RuntimeError):
    """Error that another worker has ended, or cannot be reached."""


@dataclass(frozen=True)
class Invitation:
    """Invitation to a training.

    Attributes:
        arguments: Arguments of the training, from the chief.
        hosts: `host:port` of all workers, the chief first.
    """

    arguments: dict[str, Any]
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Rendezvous:
    """Rendezvous of the workers of a training.

    Attributes:
        folder: Folder that all workers of this training share, and no other training uses.
        workers: Number of workers, including the chief.
        timeout: Seconds that a worker waits for the others.
        address: Address of the machine of this process, or None to resolve its host name.
        wait: Function that waits for a number of seconds between two polls.
        clock: Function that returns the time in seconds.
    """

    folder: str
    workers: int
    timeout: float = 1_800.0
    address: str | None = None
    wait: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def clear(self) -> None:
        """Delete the files of earlier attempts, which are no longer valid. The chief must call this first."""
        with contextlib.suppress(tf.errors.NotFoundError):
            tf.io.gfile.remove(f"{self.folder}/{_CALL}")
        # A worker that has just read the call may still answer it. Nobody reads this answer.
        with contextlib.suppress(tf.errors.NotFoundError, tf.errors.FailedPreconditionError):
            try:
                remove_tree(self.folder)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                    raise

    def call(self, arguments: dict[str, Any]) -> tuple[str, ...]:
        """Call the other workers, and wait for them. Called by the chief.

        Args:
            arguments: Arguments of the training.

        Returns:
            `host:port` of all workers, the chief first.

        Raises:
            WorkerLost: Not all workers answered in time.
        """
        number, own = uuid.uuid4().hex, free_host(self.address)
        write_whole(f"{self.folder}/{_CALL}", json.dumps({"number": number, "arguments": arguments}))
        others = range(1, self.workers)
        note(f"waiting for {len(others)} more worker{'s' if len(others) > 1 else ''}")
        hosts: dict[int, str] = {}
        deadline = self.clock() + self.timeout
        while True:
            for index in others:
                answer = self._read(f"{number}/{index}.json")
                if answer:
                    hosts[index] = answer["host"]
            missing = [str(index) for index in others if index not in hosts]
            if not missing:
                break
            if self.clock() >= deadline:
                raise WorkerLost(
                    f"of {self.workers} workers, {', '.join(missing)} did not answer within {self.timeout:.0f} s: "
                    f"check that the cluster has capacity for all of them, and that they share {self.folder}"
                )
            self.wait(_POLL_SECONDS)
        everyone = (own, *(hosts[index] for index in others))
        write_whole(f"{self.folder}/{number}/start.json", json.dumps({"hosts": everyone}))
        return everyone

    def answer(self, index: int) -> Invitation | None:
        """Wait for the chief's call, answer it, and wait for the start. Called by the other workers.

        Args:
            index: Number of this worker, 1 or higher.

        Returns:
            Invitation, or None if nothing remains to train.

        Raises:
            WorkerLost: The chief did not call, or failed and was not restarted.
        """
        answered, own = "", ""
        deadline = self.clock() + self.timeout
        while True:
            call = self._read(_CALL) or {}
            if call.get("over") == "done":
                return None
            number = call.get("number", "")
            start = self._read(f"{number}/start.json") if number else None
            if number and number != answered and not start:
                answered, own = number, free_host(self.address)
                write_whole(f"{self.folder}/{number}/{index}.json", json.dumps({"host": own}))
                deadline = self.clock() + self.timeout
            # Another process of this index may have answered too. Only the process whose address was taken starts.
            if start and number == answered and own in start["hosts"]:
                return Invitation(call["arguments"], tuple(start["hosts"]))
            if self.clock() >= deadline:
                said = "failed, and was not started again" if call.get("over") else "did not call"
                raise WorkerLost(f"the chief {said} within {self.timeout:.0f} s: its own log says why")
            self.wait(_POLL_SECONDS)

    def end(self, failed: bool) -> None:
        """Announce the end of the training. Called by the chief.

        Args:
            failed: True if the chief failed, and may be restarted; False if nothing remains to train.
        """
        write_whole(f"{self.folder}/{_CALL}", json.dumps({"over": "failed" if failed else "done"}))

    def lead(self, run: Callable[[], int], calling: AbstractContextManager[object]) -> int:
        """Run the node in the first pod, and announce the end. Called by the chief.

        Args:
            run: Function that runs the node and returns the exit code.
            calling: Context within which the node calls the other workers.
        """
        self.clear()
        code = 1
        try:
            with calling:
                code = run()
        finally:
            self.end(failed=code != 0)
        return code

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            with tf.io.gfile.GFile(f"{self.folder}/{name}") as file:
                return json.loads(file.read())
        except (tf.errors.NotFoundError, ValueError):  # The file does not exist yet, or is incomplete.
            return None


def free_host(address: str | None = None) -> str:
    """Return `host:port` at which other machines can reach this machine, with a free port.

    Args:
        address: Host name or IP address of the machine, or None to resolve its host name. In a pod, the host name
            resolves to the address of the pod.

    Raises:
        OSError: The host name of the machine does not resolve.
    """
    host = address or socket.getaddrinfo(socket.gethostname(), None)[0][4][0]
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
