"""Functions that cut a text file into ranges at line ends, and read the lines of a range."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from components.ingest.errors import RowError
from components.ingest.sources.files.opening import open_source, reading
from components.ingest.sources.files.ranges import Lines, Range
from components.ingest.sources.files.text_form import Encoding, form_of

BLOCK = 1 << 20
ENCODING = "if the text is Western European, set data.source.encoding: cp1252"
"""Remedy for text that is not UTF-8."""


def cut(path: str, boundary: Callable[[bytes], int], size: int, encoding: Encoding = "utf-8") -> Iterator[Range]:
    """Yield the ranges of a file, or one range for a file that can only be read from its start.

    Args:
        path: Path of the file.
        boundary: Function that takes a block of whole lines and returns the position after the last row that ends in
            the block, or 0.
        size: Minimum size of a range in bytes.
        encoding: Encoding of a file without a byte order mark.
    """
    form = form_of(path, encoding)
    if form.whole:
        yield Range(path)
        return
    start, line = 0, 1
    here, lines = form.mark, 1
    tail = b""
    for block in form.raw_blocks(min(BLOCK, size)):
        # Only whole lines are searched. The rest is prepended to the next block.
        block = tail + block
        whole = block.rfind(b"\n") + 1
        block, tail = block[:whole], block[whole:]
        end = here + len(block)
        if end - start >= size and (at := boundary(block)):
            after = lines + block.count(b"\n", 0, at)
            yield Range(path, start, here + at, line, after - line)
            start, line = here + at, after
        lines += block.count(b"\n")
        here = end
    if here + len(tail) > max(start, form.mark):
        yield Range(path, start, None, line, lines + bool(tail) - line)


def blocks(file_range: Range, lines: Lines, encoding: Encoding = "utf-8") -> Iterator[bytes]:
    """Yield a range of a text file as UTF-8 with line feeds, without the byte order mark at the start of the file.

    Args:
        file_range: Range of the file.
        lines: Counts of lines, updated in place.
        encoding: Encoding of a file without a byte order mark.
    """
    last = b""
    path, end = file_range.path, file_range.end
    form = form_of(path, encoding)
    translate = form.translator()
    with reading(path, lambda: _place(file_range.line + lines.counted - 1)), open_source(path) as stream:
        at = file_range.start
        if at:
            stream.seek(at)
        else:
            at = len(stream.read(form.mark))  # Some compressed streams cannot seek.
        final = False
        while not final:
            block = stream.read(BLOCK if end is None else min(BLOCK, end - at))
            at, final = at + len(block), not block
            if block := translate(block, final):
                lines.counted += block.count(b"\n")
                last = block
                yield block
    lines.counted += bool(last) and not last.endswith(b"\n")


def read(file_range: Range, lines: Lines, encoding: Encoding = "utf-8") -> Iterator[bytes]:
    """Yield the lines of a range of a text file without their line feeds; see `blocks`."""
    open_line: list[bytes] = []
    for block in blocks(file_range, lines, encoding):
        *whole, rest = block.split(b"\n")
        if whole:
            open_line.append(whole[0])
            yield b"".join(open_line)
            yield from whole[1:]
            open_line = []
        if rest:
            open_line.append(rest)
    if open_line:
        yield b"".join(open_line)


def decode(text: bytes) -> str | RowError:
    """Return UTF-8 text, or the fault of bytes that are not UTF-8."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        return RowError("not UTF-8", f"byte {error.object[error.start]:#04x} is not UTF-8 text; {ENCODING}")


def _place(line: int) -> str:
    return f" after line {line:,}" if line else ""
