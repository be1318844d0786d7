"""Tests of the counts of work in progress, and of what a terminal shows of them."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.text import Text

from components.messages import counting, progress
from components.messages.terminal import Terminal
from tests.components.messages.test_terminal import Screen


@pytest.fixture(autouse=True)
def reset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    yield
    progress.set_terminal(None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the clock: seconds that a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_counts_go_nowhere_if_nobody_shows_them() -> None:
    def total() -> int:
        raise AssertionError("counted, although nobody looks")

    with counting.counted("Transform", total, "rows"):
        counting.count(5)
    assert list(counting.tracked("ExampleGen", "bytes", lambda: [total()], "ab")) == ["a", "b"]
    counting.count(5)


def test_counted_work_shows_its_progress_in_a_log(clock: list[float]) -> None:
    progress.set_terminal(Terminal(stream := io.StringIO()))
    with counting.counted("Transform", lambda: 4_000, "rows"):
        counting.count(0)
        clock[0] += 20
        counting.count(1_500)
        counting.count(500)
        clock[0] += 15
        counting.count(1_000)
    assert stream.getvalue().splitlines() == [
        "  Transform  38%, 75 rows/s, 0:33 left",
        "  Transform  75%, 86 rows/s, 0:12 left",
    ]


def test_short_work_shows_no_bar_and_merging_shows_the_node(clock: list[float]) -> None:
    progress.set_terminal(terminal := Terminal(stream := Screen()))
    terminal.stand(Text("Transform ..."))
    with counting.counted("Transform", lambda: 400, "rows"):
        for _ in range(3):
            counting.count(50)
            clock[0] += 0.6
        assert stream.shown == ["  Transform ..."], "less than two seconds"
        clock[0] += 1
        counting.count(50)
        assert "Transform  50%" in stream.shown[0]
        counting.count(200)
        assert stream.shown == ["  Transform ..."], "all rows are read, and Beam merges"


def test_the_last_work_that_began_gets_the_counts(clock: list[float]) -> None:
    progress.set_terminal(Terminal(stream := io.StringIO()))
    with counting.counted("span 1", lambda: 100, "rows"):
        counting.count(0)
        assert list(counting.tracked("ExampleGen, rows", "bytes", lambda: [3_000_000, 7_000_000], _each(clock))) == [
            1,
            2,
        ]
        clock[0] += 5
        counting.count(50)
    assert stream.getvalue().splitlines() == [
        "  ExampleGen, rows  30%, 150.0 kB/s, 0:47 left",
        "  span 1  50%, 1.1 rows/s, 0:45 left",
    ]


def _each(clock: list[float]) -> Iterator[int]:
    for number in (1, 2):
        clock[0] += 20
        yield number


def test_work_without_a_known_total_is_not_shown(clock: list[float]) -> None:
    progress.set_terminal(Terminal(stream := io.StringIO()))
    with counting.counted("Evaluator", lambda: 0, "rows"):
        counting.count(1)
        clock[0] += 60
        counting.count(1)
    assert not stream.getvalue()


def test_work_that_fails_leaves_no_line(clock: list[float]) -> None:
    progress.set_terminal(Terminal(stream := Screen()))

    def fail() -> None:
        with counting.counted("Transform", lambda: 400, "rows"):
            counting.count(1)
            clock[0] += 3
            counting.count(1)
            assert "Transform   0%" in stream.shown[0]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert stream.shown == [""]
    counting.count(1)
    assert stream.shown == [""]
