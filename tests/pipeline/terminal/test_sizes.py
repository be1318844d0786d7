"""Tests of a run on pseudoterminals of several sizes and kinds."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import termios
import threading
import time
from collections.abc import Callable

import pytest
from rich.text import Text

from components.messages.terminal import table
from pipeline.terminal.console import Console

CLEARED = "\r\x1b[K"
SGR = r"\x1b\[[\d;]*m"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def on_terminal(columns: int, use: Callable[[Console], None]) -> str:
    """Return what a console writes to a pseudoterminal of a width, at most a few thousand characters."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    found = b""
    with os.fdopen(ours, "rb", buffering=0) as master, contextlib.suppress(OSError):
        with os.fdopen(theirs, "w") as stream:
            use(Console(stream))
        while True:  # Up to the error that the other end is closed.
            found += master.read(1 << 16)
    return found.decode().replace("\r\n", "\n")


def run(console: Console) -> None:
    console.opened("sotu", "runs/sotu", "one.log")
    console.started("Trainer")
    console.event("progress", "  half", {})
    console.finished("Trainer", 336.3, False, "2.0 epochs, 13,548 examples/s on 1 CPU; validation perplexity 83.0")
    rows = [["  model", "0.552", "83.0", "0.311"], ["  bigram", "0.501", "120.4", "0.301"]]
    console.write([table(rows, ["", "recall@10", "perplexity", "mrr@10"])])
    console.stopped(["Interrupted while Evaluator ran. Kept: the outputs of Trainer."], 130, "")


def shown(text: str) -> list[str]:
    return [re.sub(SGR, "", line.rpartition(CLEARED)[2]).rstrip() for line in text.split("\n")]


@pytest.mark.parametrize("columns", [80, 40])
def test_lines_fit_into_the_terminal(columns: int) -> None:
    lines = shown(on_terminal(columns, run))
    assert max(map(len, lines)) <= columns
    assert any(line.startswith("  Trainer             336.3 s") for line in lines)
    assert " ".join(" ".join(lines).split()).count("13,548 examples/s on 1 CPU; validation perplexity 83.0") == 1
    assert " ".join(" ".join(lines).split()).count("Kept: the outputs of Trainer.") == 1


def test_a_narrow_terminal_gets_whole_words_and_figures() -> None:
    text = on_terminal(20, run)
    lines = shown(text)
    assert lines[lines.index("  model") :][:4] == [
        "  model",
        "  recall@10   0.552",
        "  perplexity  83.0",
        "  mrr@10      0.311",
    ]
    assert "  Trainer ..." in re.sub(SGR, "", text)
    assert lines[2:5] == ["  Trainer  336.3 s", "    2.0 epochs,", "    13,548"]
    assert max(map(len, lines[1:])) <= 20


@pytest.mark.parametrize(("name", "value", "colors", "status"), [
    ("NO_COLOR", "1", False, True), ("TERM", "dumb", False, False), ("TERM", "xterm", True, True),
])  # fmt: skip
def test_the_environment_chooses_colors_and_status(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, colors: bool, status: bool
) -> None:
    monkeypatch.setenv(name, value)
    text = on_terminal(80, run)
    assert bool(re.search(r"\x1b\[[\d;]*3\d", on_terminal(80, lambda console: console.failed("Trainer")))) == colors
    assert (CLEARED in text) == status
    assert ("\x1b" in text) == (status or colors)


def test_the_status_counts_the_time_of_a_node_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now, refreshed, refresh = [100.0], threading.Event(), Console.refresh
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr("pipeline.terminal.console._TICK_SECONDS", 0.001)

    def seen(console: Console, text: Text) -> None:
        refresh(console, text)
        if "1:15" in text.plain:
            refreshed.set()

    monkeypatch.setattr(Console, "refresh", seen)

    def wait(console: Console) -> None:
        console.started("Transform")
        now[0] += 75
        assert refreshed.wait(60)
        console.finished("Transform", 75.0, False, "")

    text = on_terminal(80, wait)
    assert "Transform          ... 1:15" in text
    assert shown(text) == ["  Transform            75.0 s", ""]
