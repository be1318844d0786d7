"""Tests of leases in one process, with a clock of their own."""

from __future__ import annotations

import errno
import functools
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.files import check_fence, fenced
from pipeline.lease.acquisition import FOLDER, RootInUse, acquire, holding
from pipeline.lease.claims import Claim, latest, parse
from pipeline.lease.holder import Holder, Machine
from pipeline.lease.lease import Lease, LeaseLost
from pipeline.lease.observation import WHOLE, Timing
from tests.drawing import drawn


@dataclass
class Clock:
    """Clock that only waiting moves.

    Attributes:
        now: Time in seconds.
        meanwhile: Function that is called during each wait.
    """

    now: float = 0.0
    meanwhile: Callable[[], object] = lambda: None

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()

    @property
    def timing(self) -> Timing:
        return Timing(clock=lambda: self.now, wait=self.wait)


def on(host: str) -> Holder:
    return Holder.this("bigvocab run", f"run-{host}", Machine(host, f"boot of {host}", "pid:[1]"))


def names(root: Path) -> list[str]:
    return [path.name for path in (root / FOLDER).iterdir()]


def take(root: Path, host: str, clock: Clock, name: str = WHOLE, wait: bool = False) -> Lease:
    return acquire(root, name, on(host), wait, timing=clock.timing)


def test_a_holder_elsewhere_is_refused_once_its_claim_has_changed(tmp_path: Path) -> None:
    clock = Clock()
    first = take(tmp_path, "a", clock)
    clock.meanwhile = first.renew
    with pytest.raises(RootInUse) as refused:
        take(tmp_path, "b", clock)
    assert clock.now == 1
    holder, _ = parse(first.claim.read() or b"")
    assert holder
    assert str(refused.value) == (
        f"process {os.getpid()} on host a (bigvocab run, started {holder.since}, run run-a) uses {tmp_path}: wait for "
        "it to end, or choose another --root"
    )
    first.check()


def test_a_silent_holder_elsewhere_loses_the_lease_after_the_window(tmp_path: Path) -> None:
    clock, said = Clock(), []
    first = take(tmp_path, "a", clock)
    clock.now += 1_000  # The clock of the observer counts, and only from its first look.
    second = acquire(tmp_path, WHOLE, on("b"), notice=said.append, timing=clock.timing)
    assert clock.now == 1_000 + 60 + 20
    assert [line.partition(", run ")[2] for line in said] == [
        f"run-a) uses {tmp_path}: waiting 60 s for a sign of life from it"
    ]
    with pytest.raises(LeaseLost, match=f"on host b .* has taken over {tmp_path}"):
        first.check()
    with pytest.raises(LeaseLost):
        first.check()
    second.check()
    first.release()
    second.check()


def test_a_beat_in_the_last_second_keeps_the_lease(tmp_path: Path) -> None:
    clock = Clock()
    first = take(tmp_path, "a", clock)
    clock.meanwhile = lambda: first.renew() if clock.now == 59 else None
    with pytest.raises(RootInUse):
        take(tmp_path, "b", clock)
    assert clock.now == 59


def test_a_check_trusts_a_beat_for_two_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    lease = take(tmp_path, "a", clock)
    renewed: list[Lease] = []
    monkeypatch.setattr(Lease, "renew", lambda self: renewed.append(self))
    clock.now = 20
    lease.check()
    assert not renewed
    clock.now = 20.1
    lease.check()
    assert renewed == [lease]


def test_a_process_with_the_id_of_a_dead_one_does_not_hold_its_lease(tmp_path: Path) -> None:
    this = Holder.this("test", "")
    acquire(tmp_path, WHOLE, replace(this, ticks=this.ticks + 1))
    assert acquire(tmp_path, WHOLE, this, timing=Timing(wait=lambda _: pytest.fail("waited"))).claim.number == 2
    with pytest.raises(RootInUse):
        acquire(tmp_path, WHOLE, this)


def test_a_lease_waits_for_another_one_and_says_so_once(tmp_path: Path) -> None:
    clock, said = Clock(), []
    first = take(tmp_path, "a", clock, "Trainer")
    clock.meanwhile = lambda: first.release() if clock.now == 300 else first.renew()
    second = acquire(tmp_path, "Trainer", on("b"), True, said.append, clock.timing)
    assert (clock.now, second.claim.number) == (300, 2)
    assert [line.partition(", run ")[2] for line in said] == [f"run-a), which uses {tmp_path}"]


def test_leases_of_nodes_go_together_but_not_with_that_of_the_root(tmp_path: Path) -> None:
    clock = Clock()
    nodes = [take(tmp_path, node, clock, node) for node in ("Baselines", "Trainer")]
    clock.meanwhile = lambda: [node.renew() for node in nodes]
    with pytest.raises(RootInUse, match="on host (Baselines|Trainer) "):
        take(tmp_path, "a", clock)
    for node in nodes:
        node.release()
    whole = take(tmp_path, "a", clock)
    clock.meanwhile = whole.renew
    with pytest.raises(RootInUse, match="on host a "):
        take(tmp_path, "Trainer", clock, "Trainer")


def test_a_run_that_takes_over_from_a_silent_node_stops_it(tmp_path: Path) -> None:
    clock = Clock()
    node = take(tmp_path, "a", clock, "Trainer")
    whole = take(tmp_path, "b", clock)
    with pytest.raises(LeaseLost, match="on host b"):
        node.check()
    whole.release()
    assert take(tmp_path, "a", clock, "Trainer").claim.number == 3


def test_two_leases_that_exclude_each_other_are_not_taken_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check the moment at which two processes have seen no claim, and both create theirs."""
    clock, create = Clock(), Claim.create
    rival: list[bool] = []

    def create_after_the_rival(self: Claim, holder: Holder, beat: str) -> bool:
        if not rival:
            rival.append(create(Claim(self.folder, WHOLE, 1), Holder.this("test", ""), "0"))
        return create(self, holder, beat)

    monkeypatch.setattr(Claim, "create", create_after_the_rival)
    this = Holder.this("test", "")
    with pytest.raises(RootInUse):
        acquire(tmp_path, "Trainer", this, timing=clock.timing)
    assert rival == [True]
    assert b"released" in (Claim(tmp_path / FOLDER, "Trainer", 1).read() or b"")


def test_a_number_below_a_newer_one_is_no_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a process that is stopped before it claims number 1, until others have claimed and deleted numbers."""
    clock, link = Clock(), os.link

    def link_late(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        content = source.read_bytes()
        for _ in range(2):
            take(tmp_path, "b", clock).release()
        source.write_bytes(content)
        link(source, target)
        assert sorted(names(tmp_path)) == [source.name, "root.1", "root.2"]

    monkeypatch.setattr(os, "link", link_late)
    lease = take(tmp_path, "a", clock)
    assert lease.claim.number == 3
    assert names(tmp_path) == ["root.3"]


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    clock = Clock()
    assert take(tmp_path, "a", clock).claim.number == 1
    (tmp_path / FOLDER / "root.2").touch()  # A process was killed before it wrote the claim that it had created.
    assert take(tmp_path, "b", clock).claim.number == 3
    assert clock.now == 80
    monkeypatch.setattr(Claim, "_link", lambda *_: Claim(tmp_path / FOLDER, WHOLE, 3)._write_new(b""))
    assert not Claim(tmp_path / FOLDER, WHOLE, 4).create(on("c"), "0")


def test_a_link_whose_answer_was_lost_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def link_twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    assert take(tmp_path, "a", Clock()).claim.number == 1
    assert names(tmp_path) == ["root.1"]


@pytest.mark.parametrize("gone", [FOLDER, f"{FOLDER}/root.1"])
def test_a_deleted_claim_is_a_lost_lease(gone: str, tmp_path: Path) -> None:
    clock = Clock()
    lease = take(tmp_path, "a", clock)
    (tmp_path / gone).rename(tmp_path / "away")
    clock.now = 30
    with pytest.raises(LeaseLost, match="was deleted, so another process may use"):
        lease.check()
    lease.release()


def test_a_storage_that_does_not_answer_is_a_fault_and_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    lease = take(tmp_path, "a", clock)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    clock.now = 30
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match=f"No space left on device: '{lease.claim.path}'"):
            lease.check()
        lease.release()
    lease.check()
    assert b"released" not in (lease.claim.read() or b"")


def test_the_heartbeat_ends_the_work_of_the_main_thread(tmp_path: Path) -> None:
    timing = Timing(interval=0.001)
    lease = acquire(tmp_path, WHOLE, on("a"), timing=timing)
    lost = threading.Event()
    with lease.beating(lost.set):
        before = lease.claim.read()
        while lease.claim.read() == before:
            pass
        assert Claim(tmp_path / FOLDER, WHOLE, 2).create(on("b"), "0")
        assert lost.wait(60)


@pytest.fixture
def interrupted() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("interrupted")
def test_a_main_thread_that_waits_is_interrupted_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.lease.acquisition.Timing", functools.partial(Timing, interval=0.001))

    def work() -> None:
        with holding(tmp_path, WHOLE, "test", "one"):
            check_fence()
            assert Claim(tmp_path / FOLDER, WHOLE, 2).create(on("b"), "0")
            threading.Event().wait(60)

    with pytest.raises(LeaseLost, match="on host b"):
        work()
    check_fence()
    assert latest(tmp_path / FOLDER)[WHOLE].number == 2


def test_a_fork_holds_the_lease_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    lease = take(tmp_path, "a", clock)
    before = lease.claim.read()
    clock.now = 30
    monkeypatch.setattr(os, "getpid", lambda: 1)
    lease.check()
    lease.release()
    assert lease.claim.read() == before


HOSTS = ("a", "b", "c")
STEP = st.one_of(
    st.tuples(st.just("take"), st.sampled_from(HOSTS)),
    st.tuples(st.just("beat"), st.sampled_from(HOSTS)),
    st.tuples(st.just("release"), st.sampled_from(HOSTS)),
    st.tuples(st.just("sleep"), st.sampled_from((1, 15, 25, 100))),
)


@drawn(60)
@given(st.lists(STEP, max_size=25))
def test_numbers_only_grow_and_only_the_last_holder_may_write(steps: list[tuple[str, object]]) -> None:
    """Check sequences in which a host takes the lease, beats, releases it, or is silent."""
    with tempfile.TemporaryDirectory() as folder:
        root, clock = Path(folder), Clock()
        leases: dict[str, Lease] = {}
        numbers: list[int] = []
        for do, what in steps:
            if do == "sleep":
                assert isinstance(what, int)
                clock.now += what
                continue
            host = str(what)
            if do == "take" and host not in leases:
                leases[host] = take(root, host, clock)
                numbers.append(leases[host].claim.number)
                for other in leases.keys() - {host}:
                    with fenced(leases[other].check), pytest.raises(LeaseLost):
                        check_fence()
                    leases.pop(other)
            elif do == "beat" and host in leases:
                leases[host].renew()
            elif do == "release" and host in leases:
                leases.pop(host).release()
            for lease in leases.values():
                lease.check()
        assert numbers == sorted(set(numbers))
        assert len(latest(root / FOLDER)) <= 1
        assert not numbers or latest(root / FOLDER)[WHOLE].number == numbers[-1]
