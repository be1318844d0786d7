import io
import re

import pytest

from components.messages import progress
from components.messages.progress import Progress
from components.messages.terminal import Terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture(autouse=True)
def reset():
    yield
    progress.set_terminal(None)


@pytest.fixture
def clock(monkeypatch):
    """Return the clock: seconds that a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_line_says_how_far_how_fast_how_long_and_how_well():
    work = Progress("training", 10_000, "examples", done=1_000)
    work.update(1_000)
    work.update(4_000)
    assert work.line(2.0, {"loss": 4.5, "recall@10": None}) == "training  40%, 1,500 examples/s, 0:04 left, loss 4.500"


def test_the_first_step_which_also_builds_the_graph_is_not_in_the_rate(clock):
    progress.set_terminal(Terminal(stream := io.StringIO()))
    work = Progress("training", 1_000, "examples")
    clock[0] += 60
    work.update(100)
    clock[0] += 20
    work.update(300)
    assert stream.getvalue() == "  training  30%, 10 examples/s, 1:10 left\n"


def test_time_that_went_into_something_else_is_not_in_the_rate(clock):
    progress.set_terminal(Terminal(stream := io.StringIO()))
    work = Progress("training", 1_000, "examples")
    work.update(0)
    clock[0] += 40
    work.pause(20)
    work.update(200)
    assert "10 examples/s" in stream.getvalue()


def test_a_value_is_fetched_only_when_it_is_shown(clock):
    progress.set_terminal(Terminal(stream := io.StringIO()))
    fetched = []

    def loss() -> float:
        fetched.append(clock[0])
        return 4.5

    work = Progress("training", 1_000, "examples")
    for done in range(100):
        work.update(done, loss=loss)
        clock[0] += 0.4
    assert len(fetched) == 2, "40 seconds, a line each 15"
    assert stream.getvalue().count("loss 4.500") == 2


def test_a_note_is_a_line_that_stays(clock):
    progress.set_terminal(Terminal(stream := Screen()))
    work = Progress("training", 1_000, "examples")
    work.update(0)
    clock[0] += 1
    work.update(100)
    progress.note("a checkpoint is damaged")
    assert stream.getvalue().endswith("\r\x1b[K  a checkpoint is damaged\n")


def test_long_work_shows_hours():
    work = Progress("training", 3_700_000, "examples")
    work.update(0)
    work.update(100_000)
    assert "1:00:00 left" in work.line(100.0, {})


def test_a_text_is_shown_as_it_is():
    work = Progress("training", 10_000, "examples")
    assert (
        work.line(0.0, {"loss": 4.5, "perplexity": "83.0"})
        == "training   0%, 0 examples/s, loss 4.500, perplexity 83.0"
    )


def test_a_figure_that_does_not_fit_into_the_terminal_is_left_out(clock):
    progress.set_terminal(Terminal(stream := Screen()))
    work = Progress("training", 1_000, "examples")
    work.update(0)
    clock[0] += 1
    work.update(100, loss=4.5, **{"validation perplexity": "83.0", "recall@10": "0.552"})
    assert (
        re.sub(r"\x1b\[[\d;]*[mK]|\r|━|╸|╺", "", stream.getvalue()).strip()
        == "training  10%, 0:09 left, loss 4.500, validation perplexity 83.0"
    )


def test_terminal_gets_one_line_in_place(clock):
    progress.set_terminal(Terminal(stream := Screen()))
    work = Progress("training", 10, "examples")
    for done in range(1, 4):
        work.update(done)
        clock[0] += 1
    work.close()
    written = stream.getvalue()
    assert "\n" not in written
    assert "training  20%" in written
    assert "training  30%" in written
    assert written.endswith("\r\x1b[K")


def test_log_gets_whole_lines_now_and_then(clock):
    progress.set_terminal(Terminal(stream := io.StringIO()))
    work = Progress("training", 1_000, "examples")
    for done in range(1_000):
        work.update(done)
        clock[0] += 0.1
    work.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 6, "100 seconds, a line each 15"
    assert "\x1b" not in stream.getvalue()
