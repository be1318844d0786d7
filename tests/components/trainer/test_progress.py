import io

import pytest

from components.trainer import progress
from components.trainer.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def reset():
    yield
    progress.set_stream(None)


def test_line_says_how_far_how_fast_how_long_and_how_well():
    work = Progress("training", 10_000, "examples", done=1_000)
    work.update(4_000)
    assert (
        work.line(2.0, {"loss": 4.5, "validation_nll": None})
        == "training  40%, 1,500 examples/s, 0:04 left, loss 4.500"
    )


def test_long_work_shows_hours():
    work = Progress("training", 3_700_000, "examples")
    work.update(100_000)
    assert "1:00:00 left" in work.line(100.0, {})


def test_terminal_gets_one_line_in_place():
    progress.set_stream(stream := Terminal())
    work = Progress("training", 10, "examples")
    work.update(1)
    work.close()
    written = stream.getvalue()
    assert "\n" not in written
    assert "training  10%" in written
    assert written.endswith("\r\x1b[K")


def test_log_gets_whole_lines_now_and_then():
    progress.set_stream(stream := io.StringIO())
    work = Progress("training", 1_000, "examples")
    for done in range(1_000):
        work.update(done)
    work.close()
    lines = stream.getvalue().splitlines()
    assert 1 <= len(lines) < 10
    assert "\x1b" not in stream.getvalue()
