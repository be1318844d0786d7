"""Tests of leases among processes that start at once, are stopped, or are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.lease.acquisition import FOLDER, RootInUse, acquire
from pipeline.lease.claims import RELEASED, Claim, latest
from pipeline.lease.holder import Holder, Machine
from pipeline.lease.observation import WHOLE, Timing

PROJECT = Path(__file__).parents[3]
ELSEWHERE = Machine("elsewhere", "another boot", "pid:[1]")
MANY = 20


def started(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.pipeline.lease.contenders", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=PROJECT, text=True, bufsize=1, stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.fixture(scope="module")
def contenders() -> Iterator[list[subprocess.Popen[str]]]:
    processes = [started("contend") for _ in range(MANY)]
    yield processes
    for process in processes:
        process.communicate()


def contended(contenders: list[subprocess.Popen[str]], root: Path) -> list[str]:
    """Let all processes take the lease of a root at once, and return their answers."""
    for process in contenders:
        assert process.stdin
        process.stdin.write(f"{root}\n")
        process.stdin.flush()
    return [process.stdout.readline().strip() for process in contenders if process.stdout]


def ended() -> Holder:
    """Return a process of this machine that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return Holder(Machine.this(), process.pid, 1, "test", "", "before")


LEFT = {
    "nothing": None,
    "a released lease": (Holder.this("test", ""), RELEASED),
    "the lease of a dead process": (ended(), "3"),
    "the lease of a silent machine": (Holder.this("test", "", ELSEWHERE), "3"),
}


@pytest.mark.parametrize("left", LEFT)
def test_of_twenty_processes_one_gets_the_lease(
    left: str, contenders: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    roots = [tmp_path / str(number) for number in range(5)]
    first = 1
    if found := LEFT[left]:
        first = 8
        for root in roots:
            (root / FOLDER).mkdir(parents=True)
            assert Claim(root / FOLDER, WHOLE, 7).create(*found)
    for root in roots:
        answers = contended(contenders, root)
        (winner,) = (process for process, answer in zip(contenders, answers, strict=True) if answer == f"won {first}")
        refused = [answer for answer in answers if answer.startswith(f"process {winner.pid} on host ")]
        assert len(refused) == MANY - 1, answers
        assert [path.name for path in (root / FOLDER).iterdir()] == [f"root.{first}"]
    # A root that was held before: the number goes on.
    (winner,) = (answer for answer in contended(contenders, roots[0]) if answer.startswith("won"))
    assert winner == f"won {first + 1}"


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_stopped_holder_writes_nothing_after_another_machine_has_taken_over(tmp_path: Path) -> None:
    root, clock = tmp_path / "root", tmp_path / "clock"
    clock.write_text("0")
    with started("write", root, clock) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "written\n"
        holder.send_signal(signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(holder.pid, os.WUNTRACED)[1])

        with pytest.raises(RootInUse, match=f"is stopped: continue it with `kill -CONT {holder.pid}`"):
            acquire(root, WHOLE, Holder.this("test", "two"))

        def wait(seconds: float) -> None:
            clock.write_text(str(float(clock.read_text()) + seconds))

        taker = Holder.this("bigvocab run", "two", ELSEWHERE)
        lease = acquire(root, WHOLE, taker, timing=Timing(clock=lambda: float(clock.read_text()), wait=wait))
        assert lease.claim.number == 2
        assert 80 <= float(clock.read_text()) < 85
        before = tree(root)
        holder.send_signal(signal.SIGCONT)
        _, said = holder.communicate("go on\n")
        assert holder.returncode == 1
        assert said.startswith(f"{taker} has taken over {root}, because this process gave no sign of life for 60 s")
        assert tree(root) == before
        lease.check()


def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    with started("die", tmp_path):
        pass
    assert latest(tmp_path / FOLDER)[WHOLE].number == 1
    lease = acquire(tmp_path, WHOLE, Holder.this("test", ""), timing=Timing(wait=lambda _: pytest.fail("waited")))
    assert lease.claim.number == 2
