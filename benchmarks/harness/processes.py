"""Workers as child processes, seen from the process that measures."""

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

from benchmarks.harness.timing import Spent

ROOT = Path(__file__).parents[1]


class WorkerError(RuntimeError):
    """Failure of a worker, described in one line.

    Attributes:
        trace: Traceback of the failure; empty if the process died.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class Worker:
    """Child process that runs a `Workload`, see `benchmarks.harness.worker`.

    Args:
        target: `module:class` of the workload.
        arguments: Keyword arguments of the workload. `threads` also limits the libraries' own thread pools.
    """

    def __init__(self, target: str, arguments: Mapping[str, Any]) -> None:
        self.peak = 0
        command = [sys.executable, "-m", "benchmarks.harness.worker", target, json.dumps(dict(arguments))]
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
        """Send a request. `receive` waits for the answer.

        Raises:
            WorkerError: The process has ended.
        """
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._gone() from error

    def receive(self) -> dict[str, Any]:
        """Return the answer to the oldest unanswered request.

        Raises:
            WorkerError: The worker failed, or its process has ended.
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
        """Send a request and return the answer."""
        self.send(**request)
        return self.receive()

    def turn(self, steps: int) -> Spent:
        """Run a number of steps. `peak` keeps the peak memory over all turns."""
        answer = self.ask(do="turn", steps=steps)
        self.peak = max(self.peak, answer["peak"])
        return Spent(steps, answer["cpu"], answer["wall"])

    def end(self) -> None:
        """Kill the process, even in the middle of a request."""
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
    """Yield a dictionary for workers, and end all workers in it on exit."""
    started: dict[str, Worker] = {}
    try:
        yield started
    finally:
        for worker in started.values():
            worker.end()


def environment(threads: int) -> dict[str, str]:
    """Return the environment variables of a worker process."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        **os.environ,
        "PYTHONPATH": path,
        # Hides GPUs, since the benchmarks measure the CPU.
        "CUDA_VISIBLE_DEVICES": "",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "OMP_NUM_THREADS": str(threads),
        # Otherwise PyTorch's idle threads would spin, which would count as CPU time.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
