"""Tests of the events of a run as JSON Lines, and of the messages of the log."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from components.messages import progress
from components.messages.exit_codes import UserError
from components.messages.progress import Progress
from components.report.summary import Summary
from pipeline.config.errors import ConfigurationError
from pipeline.terminal.events import Events
from pipeline.terminal.output import FOR_PEOPLE, Output
from pipeline.terminal.redirection import Streams


def events(stream: Any) -> list[dict[str, Any]]:
    """Return the events, without their times."""
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    for event in found:
        assert event.pop("time") > 1.7e9
    return found


def test_a_run_is_a_list_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Events(out := io.StringIO(), err := io.StringIO())
    monkeypatch.setenv("SHOP_PASSWORD", "hunter22")
    console.opened("shop", "runs/shop", "runs/shop/logs/one.log")
    console.warn("The disk is nearly full: hunter22")
    console.started("ExampleGen")
    console.note("  a table is read", " again")
    console.line()
    console.finished("ExampleGen", 21.1416, True, "24,322 rows", 3.456, 1_000)
    console.started("Trainer")
    console.failed("Trainer", 2.0)
    console.stopped(["Trainer failed. No memory", "Log: one.log"], 1, "No memory", "Trainer")
    assert events(out) == [
        {"event": "started", "run": "shop", "root": "runs/shop", "log": "runs/shop/logs/one.log"},
        {"event": "warning", "node": None, "text": "The disk is nearly full: ***"},
        {"event": "note", "node": "ExampleGen", "text": "a table is read again"},
        {
            "event": "node", "node": "ExampleGen", "state": "cached", "seconds": 21.142, "detail": "24,322 rows",
            "cpu_seconds": 3.46, "peak_bytes": 1_000,
        },
        {
            "event": "node", "node": "Trainer", "state": "failed", "seconds": 2.0, "detail": "", "cpu_seconds": None,
            "peak_bytes": None,
        },
        {"event": "failed", "code": 1, "node": "Trainer", "message": "No memory"},
    ]  # fmt: skip
    assert err.getvalue() == "Trainer failed. No memory\nLog: one.log\n"


@pytest.mark.parametrize(("error", "code"), [
    (ConfigurationError("no such column"), 2), (UserError("no such column", 1), 1), (OSError("no such column"), 1),
])  # fmt: skip
def test_an_error_that_people_read_elsewhere_is_the_last_event(error: Exception, code: int) -> None:
    streams = Streams(io.StringIO(), io.StringIO())

    def fail(*lines: str) -> None:
        with Output(as_json=True).opened(streams) as console:
            if lines:
                console.stopped(lines, 130, "Interrupted.")
            raise error

    for lines in ((), ("Interrupted.",)):
        with pytest.raises(type(error)):
            fail(*lines)
    assert events(streams.out) == [
        {"event": "failed", "code": code, "node": None, "message": "no such column"},
        {"event": "failed", "code": 130, "node": None, "message": "Interrupted."},
    ]
    assert streams.err.getvalue() == "Interrupted.\n"


def test_a_complete_run_ends_with_its_metrics() -> None:
    console = Events(out := io.StringIO(), io.StringIO())
    console.write(["a line", "for people"])
    metrics = {"count": 10, "nll": 1.25, "perplexity": 3.5}
    summary = Summary.model_validate(
        {"name": "shop", "finished": "2026-01-01T00:00:00+00:00", "seconds": 12.5, "pushed": True, "metrics": metrics}
    )
    console.ended(summary, "runs/shop/report/summary.json")
    (event,) = events(out)
    assert (event["event"], event["code"], event["summary"]) == ("finished", 0, "runs/shop/report/summary.json")
    assert (event["seconds"], event["pushed"], event["margins"]) == (12.5, True, [])
    assert event["metrics"]["perplexity"] == 3.5


def test_progress_is_an_event_as_rarely_as_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Events(out := io.StringIO(), io.StringIO())
    console.started("Trainer")
    progress.set_terminal(console)
    work = Progress("training", 1_000, "examples")
    for done in range(0, 400, 10):
        work.update(done, loss=float("nan"), nll=4.5, recall=None)
        now[0] += 1
    work.close()
    progress.set_terminal(None)
    found = events(out)
    assert len(found) == 2, "40 seconds, an event each 15"
    assert found[0] == {
        "event": "progress", "node": "Trainer", "work": "training", "share": 0.15, "rate": 10.0, "unit": "examples",
        "seconds_left": 85.0, "loss": None, "nll": 4.5,
    }  # fmt: skip


@pytest.mark.parametrize("as_json", [False, True])
def test_the_messages_of_the_log_are_shown_if_wanted(as_json: bool) -> None:
    streams = Streams(io.StringIO(), io.StringIO())
    level = logging.getLogger("pipeline").level
    with Output(as_json, verbose=True).opened(streams):
        logging.getLogger("pipeline.execution").info("two\nlines")
        logging.getLogger("urllib3").info("of another library")
        logging.getLogger("urllib3").warning("slow")
        logging.getLogger("tfx").debug("details")
    shown, other = (streams.err, streams.out) if as_json else streams
    logging.getLogger("pipeline.execution").warning("after the run")
    assert [line.partition(" INFO ")[2] or line.partition(" WARNING ")[2] or line for line in _lines(shown)] == [
        "pipeline.execution: two",
        "lines",
        "urllib3: slow",
    ]
    assert not other.getvalue()
    assert logging.getLogger("pipeline").level == level


def test_the_messages_of_the_log_are_not_shown_otherwise() -> None:
    streams = Streams(io.StringIO(), io.StringIO())
    with FOR_PEOPLE.opened(streams) as console:
        logging.getLogger("pipeline").error("for the log")
        console.line("for people")
    assert (streams.out.getvalue(), streams.err.getvalue()) == ("for people\n", "")


def _lines(stream: Any) -> list[str]:
    return stream.getvalue().splitlines()
