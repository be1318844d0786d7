"""Client process: `python -m benchmarks.serving.client`, with a `Load` as JSON on standard input.

It prints a `Measured` as JSON. The client uses plain sockets, because a library for HTTP would take more CPU time than
the server.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

_CHECKED = 20
"""One in so many answers is compared with the first answer to the same request."""
_TOLERANCE = 1e-3
"""Relative difference of probabilities that the rounding of a batch may cause."""


@dataclass(frozen=True)
class Load:
    """Requests to send.

    Attributes:
        host: Name of the server.
        port: Its port.
        path: Path of the requests.
        bodies: Bodies, sent in turn.
        clients: Number of connections.
        seconds: Duration; None: until `requests` are answered.
        requests: Number of requests; None: until `seconds` have passed.
        rate: Requests per second, at fixed times whether or not earlier ones are answered. None: each connection sends
            the next request when the last one is answered.
        wrong_every: One in so many requests is malformed; 0: none.
    """

    host: str
    port: int
    path: str
    bodies: list[str]
    clients: int
    seconds: float | None = None
    requests: int | None = None
    rate: float | None = None
    wrong_every: int = 0


@dataclass
class Measured:
    """Answers to a load.

    Attributes:
        seconds: Duration.
        latencies: Milliseconds of each right request, from its time of sending. With a rate, from its planned time.
        refused: Number of malformed requests that were refused with status 400.
        faults: Descriptions of wrong answers.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    faults: list[str] = field(default_factory=list)


class _Client:
    def __init__(self, load: Load) -> None:
        self._load, self.measured = load, Measured()
        self._sent = 0
        self._first: dict[int, Any] = {}
        self._start = time.perf_counter()

    async def run(self) -> None:
        load = self._load
        if load.rate is None:
            await asyncio.gather(*(self._connection() for _ in range(load.clients)))
        else:
            await self._at_rate(load.rate)
        self.measured.seconds = time.perf_counter() - self._start

    def _next(self) -> int | None:
        load = self._load
        late = load.seconds is not None and time.perf_counter() - self._start > load.seconds
        if late or (load.requests is not None and self._sent >= load.requests):
            return None
        self._sent += 1
        return self._sent

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection(self._load.host, self._load.port)
        while (number := self._next()) is not None:
            await self._ask(reader, writer, number, time.perf_counter())
        writer.close()

    async def _at_rate(self, rate: float) -> None:
        free: asyncio.Queue[Any] = asyncio.Queue()
        for _ in range(self._load.clients):
            free.put_nowait(await asyncio.open_connection(self._load.host, self._load.port))
        self._start = time.perf_counter()
        tasks = set()

        async def one(number: int, planned: float) -> None:
            connection = await free.get()
            await self._ask(*connection, number, planned)
            free.put_nowait(connection)

        while (number := self._next()) is not None:
            planned = self._start + number / rate
            await asyncio.sleep(max(0.0, planned - time.perf_counter()))
            tasks.add(asyncio.create_task(one(number, planned)))
        await asyncio.gather(*tasks)
        while not free.empty():
            free.get_nowait()[1].close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, start: float) -> None:
        load = self._load
        wrong = bool(load.wrong_every) and number % load.wrong_every == 0
        which = number % len(load.bodies)
        body = (load.bodies[which][:-2] if wrong else load.bodies[which]).encode()
        head = f"POST {load.path} HTTP/1.1\r\nHost: {load.host}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        status, answer = await _answer(reader)
        milliseconds = 1e3 * (time.perf_counter() - start)
        if status != (400 if wrong else 200):
            self._fault(f"status {status}: {answer[:200]!r}")
        elif wrong:
            self.measured.refused += 1
        else:
            self.measured.latencies.append(milliseconds)
            if number % _CHECKED == 0 or which not in self._first:
                self._check(which, json.loads(answer)["predictions"])

    def _check(self, which: int, found: Any) -> None:
        if not _alike(self._first.setdefault(which, found), found):
            self._fault(f"request {which} was answered otherwise before")

    def _fault(self, text: str) -> None:
        if len(self.measured.faults) < 10:
            self.measured.faults.append(text)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, rest = head.partition(b"content-length:")
    return int(head.split(b" ", 2)[1]), await reader.readexactly(int(rest.partition(b"\r\n")[0]))


def _alike(one: Any, other: Any) -> bool:
    """Return True if two answers have the same probabilities up to rounding, and the same labels up to ties."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= _TOLERANCE * max(abs(one), 1e-6)
    if isinstance(one, dict):
        return all(_alike(one[name], other[name]) for name in one if name != "labels") and all(
            a == b for a, b in zip(one.get("labels", [])[:1], other.get("labels", [])[:1], strict=True)
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return one == other


def main() -> None:
    """Send the load of standard input, and print the answers."""
    client = _Client(Load(**json.load(sys.stdin)))
    asyncio.run(client.run())
    json.dump(dataclasses.asdict(client.measured), sys.stdout)


if __name__ == "__main__":
    main()
