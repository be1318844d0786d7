"""Output for people: colors and a status on a terminal, plain lines in a file, a pipe or the log of a pod."""

from __future__ import annotations

import io
import itertools
import os
import textwrap
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from components.messages.formatting import printable
from components.messages.redaction import redacted

_NO_LIMIT = 1 << 16
_NARROWEST_REST, _NARROW_INDENT = 20, 4
"""Columns for a text after another one, below which it begins on a line of its own, and the indentation of that."""
_LONGEST_BAR, _STEP_OF_BAR = 40, 10
_KEPT = "\n\t"
"""Control characters of the messages themselves."""
_CLEARED = "\r\x1b[K"
_LOOK: Any = {"box": None, "pad_edge": False, "padding": (0, 2, 0, 0)}


class Terminal:
    """Writer of lines for people.

    On a terminal, lines have colors, and the last line may be a status that the next line replaces. Elsewhere, and on a
    terminal without control characters (`TERM=dumb`), lines are plain and a status is not written. `NO_COLOR` removes
    the colors.

    The status is one line without a hidden cursor. `rich.live.Live` hides the cursor until it is stopped, which a
    killed run never does. Threads may write at the same time.

    Args:
        stream: Stream to write to.

    Attributes:
        stream: The same stream.
        in_place: True if a status is shown.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        # Set here, since rich would write control characters into a file if FORCE_COLOR is set, and into a notebook
        # instead of the stream.
        self._console = Console(file=stream, force_terminal=stream.isatty(), force_jupyter=False, highlight=False)
        self.in_place = self._console.is_terminal and not self._console.is_dumb_terminal
        self._standing: Text | None = None
        self._pending = self._replaced = False
        self._lock = threading.RLock()

    @property
    def width(self) -> int:
        """Columns of the terminal; 80 if they are unknown."""
        try:
            # rich asks standard input, output and error, of which a run redirects two.
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except OSError:
            return 80

    @property
    def room(self) -> int:
        """Columns for the text of a status, which is indented by two."""
        # A text that fills the last column would move the cursor to the next line.
        return self.width - 3

    def line(self, text: str | Text = "", rest: str = "") -> None:
        """Write a line, and end the status.

        Args:
            text: Text of the line.
            rest: Text after it. On a terminal, it is wrapped between words, and indented below its first line.
        """
        with self._lock:
            self._standing = None
            self.note(text, rest)

    def note(self, text: str | Text = "", rest: str = "") -> None:
        """Write a line above the standing status. The arguments are those of `line`."""
        rest = printable(redacted(rest), _KEPT)
        with self._lock:
            if self.in_place:
                self._clear()
                self._print(Text.assemble(_harmless(text), self._wrapped(rest, Text.assemble(text).cell_len)))
                self._replaced = False
                self._show(self._standing)
            else:
                self.stream.write(f"{_harmless(text)}{rest}".rstrip() + "\n")
            self.stream.flush()

    def event(self, kind: str, text: str, about: Mapping[str, Any]) -> None:
        """Write a line about an event, whose data a program can read in a subclass.

        Args:
            kind: Kind of the event, such as `progress`.
            text: Line for people.
            about: Data of the event, as JSON data.
        """
        del kind, about
        self.note(text)

    def write(self, parts: Iterable[str | Text | Table]) -> None:
        """Write lines, wrapped on a terminal, and tables.

        A table that is wider than the terminal gets a line for each figure.
        """
        for part in parts:
            lines = _rendered(part, self._console) if isinstance(part, Table) else [part]
            if isinstance(part, _Figures) and self.in_place and max(map(_columns, lines)) > self.width:
                lines = part.as_lines(self._console)
            for line in lines:
                if isinstance(line, str):
                    self.line("", line)
                else:
                    self.line(line)

    def stand(self, text: Text | None) -> None:
        """Set the status that is shown while no other status is. None removes it."""
        with self._lock:
            self._standing = text
            self.status(None)

    def refresh(self, text: Text) -> None:
        """Set the status that `stand` set again, such as with another time. Another status stays on the terminal."""
        with self._lock:
            if self._standing is not None:
                self._standing = text
                if not self._replaced:
                    self.status(None)

    def status(self, text: Text | None, share: float | None = None) -> None:
        """Show a status in place of the current one. None shows the standing status again.

        Args:
            text: Text of the status, cut at the width of the terminal.
            share: Share of the work that is done. It is shown as a bar before the text if there is room for one.
        """
        with self._lock:
            if self.in_place:
                self._clear()
                self._replaced = text is not None
                self._show(self._standing if text is None else text, share)
            self.stream.flush()

    def _show(self, text: Text | None, share: float | None = None) -> None:
        if text is None:
            return
        shown = Text("  ")
        # In steps, so that the text does not move with each digit that a number gains.
        columns = min((self.room - text.cell_len - 1) // _STEP_OF_BAR * _STEP_OF_BAR, _LONGEST_BAR)
        if share is not None and columns > 0:
            bar = ProgressBar(1.0, share, columns, complete_style="cyan", finished_style="cyan")
            # Without colors, rich draws only the part that is done: no line at all for none.
            drawn = Text.assemble(*_rendered(bar, self._console))
            drawn.pad_right(columns - drawn.cell_len)
            shown = Text.assemble(shown, drawn, " ")
        shown.append_text(Text.assemble(_harmless(text, kept="")))
        shown.truncate(self.room + 2, overflow="ellipsis")
        self._print(shown, end="")
        self._pending = True

    def _print(self, text: Text, end: str = "\n") -> None:
        # Without soft wrapping, rich would break words, such as paths to be copied, at the width of the terminal.
        self._console.print(text, end=end, soft_wrap=True)

    def _wrapped(self, rest: str, indent: int) -> str:
        if not rest:
            return rest
        start = ""
        if self.width - indent < _NARROWEST_REST and indent > _NARROW_INDENT:
            indent, start = _NARROW_INDENT, f"\n{' ' * _NARROW_INDENT}"
        room = max(self.width - indent, 1)
        lines = (
            textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) if " " in line.strip() else [line]
            for line in rest.split("\n")
        )
        return start + f"\n{' ' * indent}".join(itertools.chain.from_iterable(lines))

    def _clear(self) -> None:
        if self._pending:
            self.stream.write(_CLEARED)
            self._pending = False


def _harmless(text: str | Text, kept: str = _KEPT) -> str | Text:
    """Write the characters of data that would control the terminal as escapes."""
    if isinstance(text, str):
        return printable(redacted(text), kept)
    if printable(text.plain, kept) == text.plain:
        return text
    characters = text.divide(range(1, len(text.plain)))
    return Text.assemble(*(c if printable(c.plain, kept) == c.plain else printable(c.plain) for c in characters))


class _Figures(Table):
    """Table with a header, which can also be written with a line for each figure.

    Args:
        header: Titles of the columns.
        cells: Cells of the rows.
    """

    def __init__(self, header: Sequence[str], cells: Sequence[Sequence[Text]]) -> None:
        super().__init__(header_style="dim", **_LOOK)
        self._header, self._found = header, cells

    def as_lines(self, console: Console) -> list[Text]:
        """Return the first cell of each row, and below it a line with the title and the value of each other cell."""
        lines = []
        for first, *others in self._found:
            pairs = zip(self._header[1:], others, strict=True)
            values = table([[Text(f"  {printable(title)}"), value] for title, value in pairs], figures=False)
            lines += [first, *_rendered(values, console)]
        return lines


def table(
    rows: Iterable[Sequence[str | Text]], header: Sequence[str] = (), figures: bool = True, least: int = 0
) -> Table:
    """Return a table without rules, with two spaces between its cells.

    Args:
        rows: Rows of cells. Cells are not read as markup.
        header: Titles of the columns; empty for none.
        figures: True if all columns but the first hold figures, which are right-aligned.
        least: Least width of a column of figures.
    """
    found = [[cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row] for row in rows]
    made = _Figures(header, found) if header else Table(show_header=False, **_LOOK)
    for place, title in enumerate(header or [""] * len(found[0])):
        right = figures and place > 0
        made.add_column(
            Text(printable(title)), justify="right" if right else "left", no_wrap=True,
            min_width=least if right else None,
        )  # fmt: skip
    for row in found:
        made.add_row(*row)
    return made


def plain(table: Table) -> list[str]:
    """Return the lines of a table without colors, for a message or a log."""
    return [line.plain.rstrip() for line in _rendered(table, Console(file=io.StringIO(), color_system=None))]


def _columns(line: str | Text) -> int:
    """Return the number of columns of a line, without the spaces at its end."""
    return cell_len(str(line).rstrip())


def _rendered(renderable: RenderableType, console: Console) -> list[Text]:
    """Return the lines of a table or a bar at its own width, so that no figure is cut at the width of the terminal."""
    lines = console.render_lines(renderable, console.options.update_width(_NO_LIMIT), pad=False)
    return [Text.assemble(*((part.text, part.style or "") for part in line)) for line in lines]
