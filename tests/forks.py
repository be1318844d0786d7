"""A server that imports once and forks for each job, so that child processes of tests do not import TensorFlow anew.

The import takes about 10 s, a fork some milliseconds. A fork copies only the calling thread: locks that other threads
hold stay locked in the child, which may then hang. The server therefore has one thread, and refuses to fork once a
library has started another. A test process has many threads: it starts the server with `subprocess`, and never forks.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
_NO_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",  # NumPy and SciPy
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # PyArrow
}
"""Settings of libraries that start threads when they are imported."""


def refuse_fork_with_threads() -> None:
    """Make `os.fork` raise `RuntimeError` in this process and its forks while they have several threads.

    Python 3.12 and later only warn, even where warnings are errors.
    """

    def hook(event: str, _: object) -> None:
        if event == "os.fork":
            threads = sorted(path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm"))
            if len(threads) > 1:
                raise RuntimeError(f"a process with threads must not fork, its child may hang: {', '.join(threads)}")

    sys.addaudithook(hook)


class ForkServer:
    """Process that forks a child for each job. Several threads may start jobs at once.

    Args:
        environment: Variables for the environment of all jobs.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._jobs: dict[int, Future[int]] = {}
        self._number, self._lock = 0, threading.Lock()
        settings = {**_NO_THREADS, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2", **(environment or {})}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks"],
            cwd=ROOT, env={**os.environ, **settings}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(
        self,
        function: Callable[..., int | None],
        *arguments: Any,
        out: Path,
        err: Path,
        folder: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        modules: Sequence[str] = (),
    ) -> Future[int]:
        """Call a function in a child process.

        Args:
            function: Function of a module. Its return value is the exit code; None is 0.
            arguments: Arguments of the function; only JSON values.
            out: File to which standard output is appended.
            err: File to which standard error is appended; may be the same file.
            folder: Working directory.
            environment: Variables for the environment of this job.
            modules: Modules to import before the fork, once for all jobs, besides the module of the function.

        Returns:
            The exit code; minus the number of the signal that killed the child. The future raises `RuntimeError` if
            the server ends first.
        """
        job = {
            "function": [function.__module__, function.__qualname__],
            "arguments": arguments,
            "out": str(out.absolute()),
            "err": str(err.absolute()),
            "folder": str(folder),
            "environment": dict(environment or {}),
            "modules": [*modules],
        }
        ended: Future[int] = Future()
        with self._lock:
            self._number += 1
            self._jobs[self._number] = ended
            assert self._process.stdin
            try:
                self._process.stdin.write(json.dumps({**job, "number": self._number}) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                self._jobs.pop(self._number, None)
                ended.set_exception(RuntimeError("the fork server has ended"))
        return ended

    def popen(
        self,
        function: Callable[..., int | None],
        *arguments: Any,
        err: Path,
        folder: Path = ROOT,
        modules: Sequence[str] = (),
    ) -> Fork:
        """Call a function in a child process that goes on, and that SIGINT interrupts even if this process ignores it.

        The arguments are those of `start`.
        """
        read, write = os.pipe()
        out, called = Path(f"/proc/{os.getpid()}/fd/{write}"), [function.__module__, function.__qualname__]
        modules = [*modules, function.__module__]
        ended = self.start(_call, called, [*arguments], out=out, err=err, folder=folder, modules=modules)
        # Whatever ends the child, also before it has opened its standard output, ends the pipe.
        ended.add_done_callback(lambda _: os.close(write))
        return Fork(os.fdopen(read, encoding="utf-8"), ended)

    def close(self) -> None:
        """Wait for the running jobs and end the server."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._listener.join()

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            number, code = map(int, line.split())
            self._jobs.pop(number).set_result(code)
        with self._lock:
            for ended in self._jobs.values():
                ended.set_exception(RuntimeError("the fork server has ended; its standard error says why"))
            self._jobs.clear()


class Fork:
    """Child process that goes on, with those methods of `subprocess.Popen` that tests call.

    Attributes:
        pid: Process id.
        stdout: Standard output, which ends after the process.
    """

    def __init__(self, stdout: IO[str], ended: Future[int]) -> None:
        self.stdout, self._ended = stdout, ended
        self.pid = int(stdout.readline())

    def poll(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    def wait(self) -> int:
        return self._ended.result()

    def send_signal(self, number: int) -> None:
        if not self._ended.done():
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _call(function: tuple[str, str], arguments: Sequence[Any]) -> int | None:
    """Call a function of a module, after a line with the id of this process. A job of `ForkServer.popen`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(os.getpid(), flush=True)
    module, name = function
    return getattr(importlib.import_module(module), name)(*arguments)


def _serve() -> None:
    """Read jobs from standard input, fork for each, and write `NUMBER CODE` when a child has ended."""
    from pipeline.cli.app import NEW_OBJECTS

    refuse_fork_with_threads()
    gc.set_threshold(NEW_OBJECTS)
    with selectors.DefaultSelector() as selector:
        requests = _lines(0)
        selector.register(0, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                if key.fd != 0:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    number, child = key.data
                    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                    os.write(1, f"{number} {code}\n".encode())
                    continue
                lines = next(requests, None)
                if lines is None:
                    selector.unregister(0)
                for line in lines or []:
                    job = json.loads(line)
                    child = _fork(job)
                    selector.register(os.pidfd_open(child), selectors.EVENT_READ, (job["number"], child))


def _lines(descriptor: int) -> Iterator[list[bytes]]:
    """Yield the complete lines of each read, which blocks only if nothing has arrived."""
    rest = b""
    while read := os.read(descriptor, 1 << 16):
        *lines, rest = (rest + read).split(b"\n")
        yield lines


def _fork(job: Mapping[str, Any]) -> int:
    for module in job["modules"]:
        importlib.import_module(module)
    module, name = job["function"]
    function = getattr(importlib.import_module(module), name)
    # The child's garbage collector skips what is there now: the imported modules.
    gc.freeze()
    child = os.fork()
    if not child:
        os._exit(_run(function, job))
    return child


def execute(script: str, *arguments: str) -> None:
    """Run the text of a script, as `python -c SCRIPT ARGUMENTS` does. A job for `ForkServer.start`."""
    sys.argv = ["-c", *arguments]
    exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})


def _run(function: Callable[..., int | None], job: Mapping[str, Any]) -> int:
    """Run a job in the child; return its exit code."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), descriptor)
    try:
        for setting in _NO_THREADS:
            os.environ.pop(setting)  # A program that the job starts may have threads.
        os.chdir(job["folder"])
        os.environ.update(job["environment"])
        return function(*job["arguments"]) or 0
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    _serve()
