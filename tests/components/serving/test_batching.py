"""Tests of the queue: joined rows, divided outputs, and requests that cannot be joined."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.serving import batching
from components.serving.batching import Batcher, divided, joined
from components.serving.rest.errors import RequestError
from components.serving.rest.inputs import Arrays
from components.serving.rest.signatures import Input, Signature
from tests.drawing import drawn

WORDS = Signature("predict", "", {"words": Input("DT_STRING", (-1, -1))}, ("count",))


class Counting:
    """Model that counts the words of each row, and refuses the word `bad`. Its first call waits for `go`."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []
        self.started, self.go = threading.Event(), threading.Event()

    def answer(self, signature: str, inputs: Arrays) -> Arrays:
        words = inputs["words"]
        self.calls.append(words.shape)
        self.started.set()
        self.go.wait()
        if (words == b"bad").any():
            raise RequestError("bad word")
        return {"count": (words != b"").sum(axis=1)}


def answers(requests: list[list[list[bytes]]], max_rows: int = 16) -> tuple[list[Any], Counting]:
    """Send requests while the only worker is busy with a first one, and return their answers or errors."""
    model: Any = Counting()
    batcher = Batcher(1, max_rows)

    async def ask() -> list[Any]:
        def one(rows: list[list[bytes]]) -> asyncio.Task[Arrays]:
            array = np.array(rows, dtype=object).reshape(len(rows), len(rows[0]))
            return asyncio.create_task(batcher.answer(model, WORDS, {"words": array}, len(rows)))

        first = one([[b"first"]])
        await asyncio.to_thread(model.started.wait)
        others = [one(rows) for rows in requests]
        await asyncio.sleep(0)  # Each task has put its request into the queue.
        model.go.set()
        await first
        return await asyncio.gather(*others, return_exceptions=True)

    try:
        return asyncio.run(ask()), model
    finally:
        batcher.close()


def test_waiting_requests_are_joined_and_get_their_own_rows() -> None:
    found, model = answers([[[b"a", b"b"]], [[b"a"], [b"c"]], [[b"a", b"b", b"c"]]])
    assert [each["count"].tolist() for each in found] == [[2], [1, 1], [3]]
    assert model.calls == [(1, 1), (4, 3)]


def test_a_refused_request_does_not_spoil_the_others() -> None:
    found, model = answers([[[b"a"]], [[b"bad"]], [[b"b", b"c"]]])
    assert [each["count"].tolist() for each in (found[0], found[2])] == [[1], [2]]
    assert str(found[1]) == "bad word"
    assert model.calls == [(1, 1), (3, 2), (1, 1), (1, 1), (1, 2)]


def test_batches_are_limited_in_rows_and_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    _, model = answers([[[b"a"]]] * 5, max_rows=2)
    assert model.calls == [(1, 1), (2, 1), (2, 1), (1, 1)]
    monkeypatch.setattr(batching, "MAX_CELLS", 6)
    found, model = answers([[[b"a"]], [[b"b"]], [[b"a"] * 4]])
    assert model.calls == [(1, 1), (2, 1), (1, 4)]
    assert found[2]["count"].tolist() == [4]


def test_requests_beyond_the_queue_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_WAITING", 2)
    found, _ = answers([[[b"a"]], [[b"b"]], [[b"c"]]])
    assert found[1]["count"].tolist() == [1]
    assert "waiting already" in str(found[2])


@drawn(50)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=5), st.randoms())
def test_joined_rows_are_divided_again(sizes: list[tuple[int, int]], random: Any) -> None:
    requests = [
        {
            "words": np.array([random.choice([b"a", b"bc"]) for _ in range(rows * width)], object).reshape(rows, width),
            "times": np.array([random.random() for _ in range(rows * width)], np.float32).reshape(rows, width),
            "hour": np.array([random.random() for _ in range(rows)], np.float32),
        }
        for rows, width in sizes
    ]
    whole = joined(requests)
    for part, request, (rows, width) in zip(divided(whole, [rows for rows, _ in sizes]), requests, sizes, strict=True):
        assert len(part["hour"]) == rows
        np.testing.assert_array_equal(part["hour"], request["hour"])
        np.testing.assert_array_equal(part["words"][:, :width], request["words"])
        np.testing.assert_array_equal(part["times"][:, :width], request["times"])
        assert (part["words"][:, width:] == b"").all()
        assert np.isnan(part["times"][:, width:]).all()
    assert whole["times"].dtype == np.float32
    with pytest.raises(RequestError, match="one entry"):
        divided({"sum": np.zeros(1 + sum(rows for rows, _ in sizes))}, [rows for rows, _ in sizes])
