from __future__ import annotations

import pytest

from benchmarks.harness.processes import Worker, WorkerError, workers

SUMS = "tests.benchmarks.workloads:Sums"
SIZE = {"classes": 1_000, "batch": 1_000}
REQUESTS = ["start", "prepare", "turn"]


def test_a_worker_answers_with_time_and_memory() -> None:
    with workers() as running:
        running["sums"] = worker = Worker(SUMS, {"threads": 1})
        resident = worker.ask(do="start")["resident"]
        worker.ask(do="prepare", size=SIZE)
        spent = worker.turn(5)
    assert spent.steps == 5
    assert spent.cpu > 0
    assert spent.wall > 0
    # 1,000,000 numbers of 32 bytes, and as many pointers, which may begin in large pages that are resident already.
    assert worker.peak - resident > 1_000_000 * 36


@pytest.mark.parametrize("at", REQUESTS)
def test_a_worker_says_what_went_wrong(at: str) -> None:
    with workers() as running:
        running["sums"] = worker = Worker(SUMS, {"threads": 1, "fails": at})
        for before in REQUESTS[: REQUESTS.index(at)]:
            worker.ask(do=before, size=SIZE)
        with pytest.raises(WorkerError) as raised:
            worker.ask(do=at, size=SIZE, steps=2)
    assert str(raised.value) == f"ValueError: no {at}"
    assert "in _fail" in raised.value.trace


def test_a_worker_that_dies() -> None:
    with workers() as running:
        running["sums"] = worker = Worker(SUMS, {"threads": 1, "fails": "start killed"})
        with pytest.raises(WorkerError, match="killed by SIGKILL, as when memory runs out"):
            worker.ask(do="start")
        with pytest.raises(WorkerError, match="killed by SIGKILL"):
            worker.ask(do="start")


def test_no_process_is_left_behind() -> None:
    worker = Worker(SUMS, {"threads": 1})

    def interrupted() -> None:
        with workers() as running:
            running["sums"] = worker
            worker.send(do="start")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert worker._process.poll() is not None
