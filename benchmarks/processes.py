"""Workers, as the process that measures sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.timing import Spent

ROOT = Path(__file__).parents[1]


class WorkerError(RuntimeError):
    """What a worker could not do, in a line.

    Attributes:
        trace: where it failed, in many lines; empty where the process died.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class Worker:
    """A child process that runs a `Workload`: see `benchmarks.worker`.

    Args:
        target: `module:class` of the workload.
        arguments: its keyword arguments; `threads` among them also bounds the libraries' own thread pools.
    """

    def __init__(self, target: str, arguments: Mapping[str, Any]) -> None:
        self.peak = 0
        command = [sys.executable, "-m", "benchmarks.worker", target, json.dumps(dict(arguments))]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(arguments["threads"]),
            text=True,
            encoding="utf-8",
        )

    def send(self, **request: Any) -> None:
        """Asks for something: `receive` waits for it.

        Raises:
            WorkerError: the process is gone.
        """
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._gone() from error

    def receive(self) -> dict[str, Any]:
        """The answer to what was asked for first.

        Raises:
            WorkerError: the worker failed, or is gone.
        """
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise self._gone()
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"], answer["trace"])
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """`send` and `receive`."""
        self.send(**request)
        return self.receive()

    def turn(self, steps: int) -> Spent:
        """So many steps; the most memory of all turns is kept in `peak`."""
        answer = self.ask(do="turn", steps=steps)
        self.peak = max(self.peak, answer["peak"])
        return Spent(steps, answer["cpu"], answer["wall"])

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        self._process.communicate()

    def _gone(self) -> WorkerError:
        status = self._process.wait()
        if status >= 0:
            return WorkerError(f"ended with status {status}")
        hint = ", as when memory runs out" if status == -signal.SIGKILL else ""
        return WorkerError(f"killed by {signal.Signals(-status).name}{hint}")


@contextmanager
def workers() -> Iterator[dict[str, Worker]]:
    """A dictionary to put workers into: all of them are ended at the end."""
    started: dict[str, Worker] = {}
    try:
        yield started
    finally:
        for worker in started.values():
            worker.end()


def environment(threads: int) -> dict[str, str]:
    """Of a process that measures."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        **os.environ,
        "PYTHONPATH": path,
        # The processor is what is measured.
        "CUDA_VISIBLE_DEVICES": "",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "OMP_NUM_THREADS": str(threads),
        # PyTorch's idle threads would otherwise spin, and their spinning count as its CPU time.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
