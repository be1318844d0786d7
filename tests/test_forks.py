from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forks import ForkServer


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer(environment={"OF_ALL": "1"}) as found:
        yield found


def _say(code: int) -> int:
    print(os.environ["OF_ALL"], os.environ["OF_ONE"], Path.cwd(), sys.stdin.read())
    print("written", file=sys.stderr)
    return code


def _fail(message: str) -> None:
    raise ValueError(message)


def _exit(code: int) -> None:
    sys.exit(code)


def _die(number: int) -> None:
    os.kill(os.getpid(), number)


def _meet(own: str, other: str) -> None:
    """Wait for the other job, and return only if both run at the same time."""
    os.mkfifo(own)
    while not os.path.exists(other):  # noqa: PTH110
        os.sched_yield()


def _be_interrupted(code: int) -> int:
    try:
        print("begun", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print("interrupted")
    return code


def test_a_child_has_its_own_streams_folder_and_environment(server: ForkServer, tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    ended = server.start(_say, 3, out=out, err=err, folder=tmp_path, environment={"OF_ONE": "2"})
    assert ended.result() == 3
    assert out.read_text() == f"1 2 {tmp_path} \n"
    assert err.read_text() == "written\n"


@pytest.mark.parametrize(
    ("function", "argument", "code", "said"),
    [
        (_fail, "a reason", 1, "ValueError: a reason"),
        (_exit, 7, 7, ""),
        (_die, signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_a_child_ends_in_its_own_way(server: ForkServer, tmp_path: Path, function, argument, code, said) -> None:
    log = tmp_path / "log"
    assert server.start(function, argument, out=log, err=log).result() == code
    assert said in log.read_text()


def test_a_child_is_read_and_interrupted_while_it_runs(server: ForkServer, tmp_path: Path) -> None:
    child = server.popen(_be_interrupted, 130, err=tmp_path / "err")
    assert child.stdout.readline() == "begun\n"
    assert child.poll() is None
    child.send_signal(signal.SIGINT)
    assert child.stdout.read() == "interrupted\n"
    assert (child.wait(), child.poll()) == (130, 130)


def test_jobs_run_at_the_same_time(server: ForkServer, tmp_path: Path) -> None:
    log, one, two = tmp_path / "log", str(tmp_path / "one"), str(tmp_path / "two")
    jobs = [server.start(_meet, a, b, out=log, err=log) for a, b in ((one, two), (two, one))]
    assert [job.result() for job in jobs] == [0, 0], log.read_text()


def test_a_server_with_threads_does_not_fork(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "threaded.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    log = tmp_path / "log"
    path = {"PYTHONPATH": f"{Path(__file__).parents[1]}:{tmp_path}"}
    with ForkServer(path) as server, pytest.raises(RuntimeError, match="the fork server has ended"):
        server.start(_exit, 0, out=log, err=log, modules=["threaded"]).result()
    assert "a process with threads must not fork, its child may hang: python" in capfd.readouterr().err


def test_a_test_does_not_fork_while_it_has_threads() -> None:
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="a process with threads must not fork"):
            os.fork()
        with pytest.raises(RuntimeError, match="a process with threads must not fork"):
            multiprocessing.get_context("fork").Process(target=print).start()
    finally:
        wait.set()
        thread.join()
