"""Lines, tables and the status on a terminal, in a file, on a dumb terminal, and without colors."""

from __future__ import annotations

import io
import re

import pytest
from rich.text import Text

from components.messages.terminal import Terminal, plain, table

CLEARED = "\r\x1b[K"
ROWS = [["  model", "0.552", "83.0"], ["  a[b] :smile:", "0.1", Text("1636.7", "green")]]
HEADER = ["", "recall@10", "perplexity"]
LINES = [
    "                recall@10  perplexity",
    "  model             0.552        83.0",
    "  a[b] :smile:        0.1      1636.7",
]


class Screen(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[str]:
        """Lines that are left to see at the end, without colors."""
        return [
            re.sub(r"\x1b\[[\d;]*m", "", line.rpartition(CLEARED)[2]).rstrip() for line in self.getvalue().split("\n")
        ]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def use(terminal: Terminal) -> None:
    terminal.stand(Text("Trainer ...", "dim"))
    terminal.status(Text("training 40%"), 0.4)
    terminal.status(None)
    terminal.note("  a note")
    terminal.line(Text("  Trainer  ", "bold red"), "word " * 20)
    terminal.write([table(ROWS, HEADER), "end"])


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_file_gets_plain_whole_lines_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    use(Terminal(stream := io.StringIO()))
    assert stream.getvalue().split("\n") == ["  a note", f"  Trainer  {'word ' * 20}".rstrip(), *LINES, "end", ""]


def test_a_dumb_terminal_is_written_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    use(Terminal(stream := Screen()))
    use(Terminal(file := io.StringIO()))
    assert stream.getvalue() == file.getvalue()


def test_a_terminal_gets_colors_a_status_and_wrapped_text() -> None:
    use(Terminal(stream := Screen()))
    assert stream.shown == [
        "  a note",
        f"  Trainer  {'word ' * 14}".rstrip(),
        f"           {'word ' * 6}".rstrip(),
        *LINES,
        "end",
        "",
    ]
    assert "\x1b[1;31m  Trainer  \x1b[0m" in stream.getvalue()
    assert re.search(r"\x1b\[32m +1636\.7\x1b\[0m", stream.getvalue())


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    use(Terminal(stream := Screen()))
    assert not re.search(r"\x1b\[[\d;]*\b[349]\d", stream.getvalue())
    assert CLEARED in stream.getvalue()


def test_a_bar_without_colors_shows_the_part_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal(stream := Screen())
    for share, done in ((0.0, 0), (0.5, 20), (1.0, 40)):
        terminal.status(Text("training"), share)
        assert stream.shown == [f"  {'━' * done:<40} training"]


def test_the_standing_status_is_refreshed_below_other_lines_but_not_over_another_status() -> None:
    terminal = Terminal(stream := Screen())
    terminal.refresh(Text("Trainer ... 0:01"))
    assert stream.shown == [""], "nothing stands"
    terminal.stand(Text("Trainer ..."))
    terminal.refresh(Text("Trainer ... 0:02"))
    terminal.note("  a note")
    assert stream.shown == ["  a note", "  Trainer ... 0:02"]
    terminal.status(Text("40%"))
    terminal.refresh(Text("Trainer ... 0:03"))
    assert stream.shown == ["  a note", "  40%"]
    terminal.status(None)
    assert stream.shown == ["  a note", "  Trainer ... 0:03"]


def test_a_status_is_replaced_and_the_standing_one_returns() -> None:
    terminal = Terminal(stream := Screen())
    terminal.stand(Text("Trainer ..."))
    assert stream.shown == ["  Trainer ..."]
    terminal.status(Text("40%"))
    assert stream.shown == ["  40%"]
    terminal.note("  a note")
    assert stream.shown == ["  a note", "  Trainer ..."]
    terminal.status(Text("50%"))
    terminal.status(None)
    assert stream.shown == ["  a note", "  Trainer ..."]
    terminal.line("  Trainer done")
    assert stream.shown == ["  a note", "  Trainer done", ""]
    terminal.stand(Text("Pusher ..."))
    terminal.stand(None)
    assert stream.shown == ["  a note", "  Trainer done", ""]


@pytest.mark.parametrize(("columns", "bar"), [(10, 0), (30, 10), (31, 10), (45, 20), (200, 40)])
def test_a_bar_takes_the_room_that_the_text_leaves(monkeypatch: pytest.MonkeyPatch, columns: int, bar: int) -> None:
    monkeypatch.setattr(Terminal, "width", columns)
    terminal = Terminal(stream := Screen())
    for share in (0.0, 0.34, 0.5, 1.0):
        terminal.status(Text("training: 50%"), share)
        (shown,) = stream.shown
        assert len(shown) < columns
        assert shown.endswith(" training: 50%" if bar else "  traini…")
        assert len(re.findall("[━╸╺]", shown)) == bar


def test_lines_of_a_text_are_wrapped_one_by_one() -> None:
    Terminal(stream := Screen()).line("  ", f"two faults:\n  {'word ' * 20}\nend")
    assert stream.shown == ["  two faults:", f"    {'word ' * 15}".rstrip(), f"  {'word ' * 5}".rstrip(), "  end", ""]


def test_a_path_is_not_broken() -> None:
    path = "/a-long-folder" * 8
    Terminal(stream := Screen()).line("  Pusher  ", f"pushed to {path}")
    assert stream.shown == ["  Pusher  pushed to", f"          {path}", ""]


def test_a_table_that_is_wider_than_the_terminal_has_a_line_per_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Terminal, "width", 20)
    Terminal(stream := Screen()).write([table(ROWS, HEADER), table([["a long text without a header", "1"]])])
    assert stream.shown == [
        "  model",
        "  recall@10   0.552",
        "  perplexity  83.0",
        "  a[b] :smile:",
        "  recall@10   0.1",
        "  perplexity  1636.7",
        "a long text without a header  1",
        "",
    ]
    Terminal(file := io.StringIO()).write([table(ROWS, HEADER)])
    assert file.getvalue().splitlines() == LINES, "a file has no width"


def test_a_table_as_text() -> None:
    assert plain(table(ROWS, HEADER)) == LINES
    assert plain(table([["a", "b c"], ["漢字", "d"]], ["name", "what"], figures=False)) == [
        "name  what",
        "a     b c",
        "漢字  d",
    ]
    assert plain(table([["a", "1"]], least=8)) == ["a         1"]


HOSTILE = "\x1b[2J\x1b]0;title\x07 a\rb\x9b31m [red]c[/] [/nothing] \u202e"
SHOWN = r"\x1b[2J\x1b]0;title\x07 a\rb\x9b31m [red]c[/] [/nothing] \u202e"
SHOWN_BY_TEXT = SHOWN.replace(r"\x07", "").replace(r"\r", "")  # rich drops these two.


@pytest.mark.parametrize("kind", [Screen, io.StringIO])
def test_control_characters_and_markup_of_data_are_shown_and_not_obeyed(kind: type[io.StringIO]) -> None:
    terminal = Terminal(stream := kind())
    for text in (HOSTILE, Text(HOSTILE, "bold"), Text.assemble((HOSTILE, "red"))):
        terminal.line(text)
    terminal.line("", HOSTILE)
    terminal.write([HOSTILE, table([[HOSTILE], [Text(HOSTILE, "green")]], [HOSTILE])])
    lines = re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue()).split("\n")
    shown = [SHOWN, SHOWN_BY_TEXT, SHOWN_BY_TEXT, SHOWN, SHOWN, SHOWN, SHOWN, SHOWN_BY_TEXT, ""]
    assert [line.rstrip() for line in lines] == shown


def test_control_characters_of_data_do_not_leave_the_status() -> None:
    terminal = Terminal(stream := Screen())
    terminal.status(Text("\x1b[2Ja\nb"))
    assert stream.shown == [r"  \x1b[2Ja\nb"]
