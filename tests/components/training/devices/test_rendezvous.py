"""Tests of the rendezvous of workers. The other workers act in the stub for the time between two polls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.training.devices.rendezvous import Invitation, Rendezvous, WorkerLost, free_host

ARGUMENTS = {"train_files": ["train-*"], "base_model": None}


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Rendezvous]:
    """Return a function that creates a rendezvous of two. `wait` advances the clock and runs the next of the `acts`."""

    def of(*acts: Callable[[], Any], timeout: float = 10.0) -> Rendezvous:
        now, left = [0.0], iter(acts)

        def wait(seconds: float) -> None:
            now[0] += seconds
            next(left, lambda: None)()

        return Rendezvous(str(tmp_path / "rendezvous"), 2, timeout, "10.0.0.7", wait, lambda: now[0])

    return of


def call(folder: Path, number: str) -> None:
    write(folder / "call.json", {"number": number, "arguments": ARGUMENTS})


def start(folder: Path, number: str, *more: str) -> None:
    """Start the training with the process that answered as worker 1."""
    answer = json.loads((folder / number / "1.json").read_text())["host"]
    write(folder / number / "start.json", {"hosts": ["10.0.0.1:1", *more, answer]})


def write(path: Path, arguments: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(arguments))


def test_the_chief_calls_waits_and_starts(place, tmp_path):
    folder = tmp_path / "rendezvous"

    def answer() -> None:
        number = json.loads((folder / "call.json").read_text())["number"]
        write(folder / number / "1.json", {"host": "10.0.0.8:2222"})

    own, other = place(lambda: None, answer).call(ARGUMENTS)
    assert re.fullmatch(r"10\.0\.0\.7:\d+", own)
    assert other == "10.0.0.8:2222"
    number = json.loads((folder / "call.json").read_text())["number"]
    assert json.loads((folder / number / "start.json").read_text())["hosts"] == [own, other]


def test_the_chief_does_not_wait_for_ever(place):
    with pytest.raises(
        WorkerLost, match="of 2 workers, 1 did not answer within 10 s: check that the cluster has capacity"
    ):
        place().call(ARGUMENTS)


def test_a_worker_answers_and_starts_with_the_chief(place, tmp_path):
    folder = tmp_path / "rendezvous"
    invitation = place(lambda: call(folder, "a"), lambda: start(folder, "a")).answer(1)
    assert invitation == Invitation(ARGUMENTS, ("10.0.0.1:1", invitation.hosts[1]))
    assert invitation.hosts[1].startswith("10.0.0.7:")


def test_a_worker_that_was_started_again_waits_for_the_next_call(place, tmp_path):
    """Check that the worker ignores the training of its old address, which is about to fail."""
    folder = tmp_path / "rendezvous"
    call(folder, "old")
    write(folder / "old" / "1.json", {"host": "10.0.0.99:1"})
    start(folder, "old")
    other = place(lambda: None, place().clear, lambda: call(folder, "new"), lambda: start(folder, "new"))
    invitation = other.answer(1)
    assert invitation
    assert invitation.hosts[1].startswith("10.0.0.7:")
    assert not (folder / "old").exists()


def test_one_that_another_of_the_same_index_was_taken_before_does_not_start(place, tmp_path):
    folder = tmp_path / "rendezvous"
    call(folder, "a")

    def other_wins() -> None:
        write(folder / "a" / "start.json", {"hosts": ["10.0.0.1:1", "10.0.0.99:1"]})

    with pytest.raises(WorkerLost, match="did not call"):
        place(other_wins).answer(1)


def test_a_chief_that_failed_is_waited_for_and_one_that_is_done_is_not(place, tmp_path):
    folder = tmp_path / "rendezvous"
    place().end(failed=True)
    with pytest.raises(WorkerLost, match="the chief failed, and was not started again within 10 s"):
        place().answer(1)
    assert place(lambda: call(folder, "again"), lambda: start(folder, "again")).answer(1)
    place().end(failed=False)
    assert place().answer(1) is None


def test_timeout_begins_anew_with_an_answer(place, tmp_path):
    folder = tmp_path / "rendezvous"

    def acts() -> Iterator[Callable[[], Any]]:
        yield from [lambda: None] * 8
        yield lambda: call(folder, "late")
        yield from [lambda: None] * 8
        yield lambda: start(folder, "late")

    assert place(*acts()).answer(1)


def test_a_machine_is_named_by_its_address_or_as_given():
    assert re.fullmatch(r".+:\d+", free_host())
    assert free_host("fd00::1").startswith("[fd00::1]:")
    assert free_host("trainer-0").startswith("trainer-0:")


def test_an_answer_to_an_earlier_call_does_not_keep_the_chief_from_calling(place, tmp_path, monkeypatch):
    folder, rmtree = tmp_path / "rendezvous", tf.io.gfile.rmtree
    call(folder, "old")

    def answered_meanwhile(path: str) -> None:
        assert not (folder / "call.json").exists(), "a worker that looks now must not answer the earlier call"
        rmtree(path)
        write(folder / "old" / "1.json", {"host": "10.0.0.8:2222"})
        raise tf.errors.FailedPreconditionError(None, None, f"{path}/old; Directory not empty")

    monkeypatch.setattr(tf.io.gfile, "rmtree", answered_meanwhile)
    place().clear()
    assert not (folder / "call.json").exists()
