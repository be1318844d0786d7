"""How the workers of a training find each other: by files in a folder that they share.

Nobody knows another's address before: pods get theirs when they start, and another one when they are started again. So
the chief calls, each of the others answers that call with its address, and when all have answered the chief says that
it starts, and with whom:

    call.json           the chief: a new number for each call, and what is trained; or that it is over
    NUMBER/1.json       worker 1: its address
    NUMBER/start.json   the chief: all addresses, its own first

A worker that was started again is not among those of a start that it missed, and waits for the next call.
"""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from components.files import write_whole
from components.progress import note

_POLL_SECONDS = 1.0
_CALL = "call.json"


class WorkerLost(RuntimeError):
    """Another worker has ended, or cannot be reached."""


@dataclass(frozen=True)
class Invitation:
    """To one training.

    Attributes:
        told: by the chief, of what is trained.
        hosts: `host:port` of all workers, the chief's first.
    """

    told: dict[str, Any]
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Meeting:
    """Where the workers of a training meet.

    Attributes:
        folder: shared by all, and by no other training.
        workers: how many there are, the chief among them.
        patience: seconds that anyone waits for the others.
        address: of this process's machine; None: what its name stands for.
        wait: passes the time between two looks.
        clock: seconds.
    """

    folder: str
    workers: int
    patience: float = 1_800.0
    address: str | None = None
    wait: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def clear(self) -> None:
        """The chief's, before all else: what an earlier try has said does not hold any more."""
        if tf.io.gfile.exists(self.folder):
            tf.io.gfile.rmtree(self.folder)

    def call(self, told: dict[str, Any]) -> tuple[str, ...]:
        """The chief's: calls the others and waits for them.

        Returns:
            `host:port` of all workers, its own first.

        Raises:
            WorkerLost: they did not all come.
        """
        number, own = uuid.uuid4().hex, free_host(self.address)
        write_whole(f"{self.folder}/{_CALL}", json.dumps({"number": number, "told": told}))
        others = range(1, self.workers)
        note(f"waiting for {len(others)} more worker{'s' if len(others) > 1 else ''}")
        hosts: dict[int, str] = {}
        deadline = self.clock() + self.patience
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
                    f"of {self.workers} workers, {', '.join(missing)} did not come within {self.patience:.0f} s: "
                    "is there room for all of them in the cluster, and do they share this folder?"
                )
            self.wait(_POLL_SECONDS)
        everyone = (own, *(hosts[index] for index in others))
        write_whole(f"{self.folder}/{number}/start.json", json.dumps({"hosts": everyone}))
        return everyone

    def answer(self, index: int) -> Invitation | None:
        """What the others do: waits for the chief's call, answers it, and waits for the start.

        Returns:
            None where there is nothing to train, or no more.

        Raises:
            WorkerLost: the chief did not call, or failed and was not started again.
        """
        answered, own = "", ""
        deadline = self.clock() + self.patience
        while True:
            call = self._read(_CALL) or {}
            if call.get("over") == "done":
                return None
            number = call.get("number", "")
            start = self._read(f"{number}/start.json") if number else None
            if number and number != answered and not start:
                answered, own = number, free_host(self.address)
                write_whole(f"{self.folder}/{number}/{index}.json", json.dumps({"host": own}))
                deadline = self.clock() + self.patience
            # Another of this index may have answered too: the one that was taken starts.
            if start and number == answered and own in start["hosts"]:
                return Invitation(call["told"], tuple(start["hosts"]))
            if self.clock() >= deadline:
                said = "failed, and was not started again" if call.get("over") else "did not call"
                raise WorkerLost(f"the chief {said} within {self.patience:.0f} s: its own log says why")
            self.wait(_POLL_SECONDS)

    def end(self, failed: bool) -> None:
        """The chief's: there is nothing to train, or no more; or it failed, and may be started again."""
        write_whole(f"{self.folder}/{_CALL}", json.dumps({"over": "failed" if failed else "done"}))

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            with tf.io.gfile.GFile(f"{self.folder}/{name}") as file:
                return json.loads(file.read())
        except (tf.errors.NotFoundError, ValueError):  # Not there yet, or not whole.
            return None


def free_host(address: str | None = None) -> str:
    """`host:port` of this machine, as others reach it, with a port that nobody uses.

    Args:
        address: name or number of the machine; None: what its name stands for, in a pod the pod's address.

    Raises:
        OSError: the machine's name stands for nothing.
    """
    host = address or socket.getaddrinfo(socket.gethostname(), None)[0][4][0]
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
