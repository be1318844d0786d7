"""Watch over a Beam engine behind a job server, so that a lost host ends the node instead of keeping it waiting."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from components.compat.beam_runner import Job, OpenPortableRunner

_PROBES = 6
"""Probes of an address within the timeout."""


class EngineLost(RuntimeError):
    """Error that the job server or the worker pool of a Beam engine no longer answers."""


class Watch:
    """Thread that watches addresses, and reports the first that stops answering.

    An address is watched from its first answer on: the worker pool may have an address that only the engine can reach.

    Args:
        addresses: `host:port` by the name of the program that listens there.
        timeout: Seconds without an answer after which a program is lost.
        end: Function that is called once a program is lost.

    Attributes:
        lost: Description of the lost program, or an empty text.
    """

    def __init__(self, addresses: Mapping[str, str], timeout: float, end: Callable[[], None]) -> None:
        self.lost = ""
        self._addresses, self._timeout, self._end = addresses, timeout, end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        interval, heard = self._timeout / _PROBES, dict[str, float]()
        while not self.lost:
            for name, address in self._addresses.items():
                if _answers(address, interval):
                    heard[name] = time.monotonic()
                elif name in heard and time.monotonic() - heard[name] >= self._timeout:
                    self.lost = f"Beam's {name} at {address} has not answered for {self._timeout:g} s"
            if not self.lost and self._stopped.wait(interval):
                return
        self._end()


class WatchedRunner(OpenPortableRunner):
    """Beam's runner for job servers, whose job fails when the job server or the worker pool is lost."""

    @contextlib.contextmanager
    def around(self, job: Job, pool: str, timeout: float) -> Iterator[None]:
        """Return a context that ends the job when one of the addresses stops answering.

        Raises:
            EngineLost: The job server or the worker pool no longer answers.
        """
        with Watch({"job server": job.endpoint, "worker pool": pool}, timeout, job.abandon) as watch:
            try:
                yield
            except Exception as error:
                if not watch.lost:
                    raise
                raise EngineLost(
                    f"{watch.lost}: its host or the network is down, or it has ended. When it is back, run the node "
                    "again"
                ) from error


def _answers(address: str, timeout: float) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout).close()
    except OSError:
        return False
    return True
