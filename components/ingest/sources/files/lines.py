"""Lines of a text file: functions that cut a file into ranges at line ends, and read a range."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from components.ingest.errors import RowError
from components.ingest.sources.files.opening import after_mark, is_packed, open_source, reading
from components.ingest.sources.files.ranges import Lines, Range

BLOCK = 1 << 20


def cut(path: str, boundary: Callable[[bytes], int], size: int) -> Iterator[Range]:
    """Yield the ranges of a file. A packed file is one range, because it cannot be entered in the middle.

    Args:
        path: The file.
        boundary: Function from a block of whole lines to the position after the last row that ends there, or to 0.
        size: Minimum bytes of a range.
    """
    if is_packed(path):
        yield Range(path)
        return
    start, line = 0, 1
    here, lines = 0, 1
    tail = b""
    with open_source(path, unpack=False) as stream:
        while block := stream.read(min(BLOCK, size)):
            # Only whole lines are searched: the rest waits for the next block.
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
    if here + len(tail) > start:
        yield Range(path, start, None, line, lines + bool(tail) - line)


def blocks(file_range: Range, lines: Lines) -> Iterator[bytes]:
    """Yield the bytes of a range of a text file, without the byte order mark at the start of the file."""
    last = b""
    path, end = file_range.path, file_range.end
    with reading(path, lambda: _place(file_range.line + lines.counted - 1)), open_source(path) as stream:
        at = file_range.start or after_mark(stream)
        stream.seek(at)
        while block := stream.read(BLOCK if end is None else min(BLOCK, end - at)):
            at += len(block)
            lines.counted += block.count(b"\n")
            last = block
            yield block
    lines.counted += bool(last) and not last.endswith(b"\n")


def read(file_range: Range, lines: Lines) -> Iterator[bytes]:
    """Yield the lines of a range of a text file without their line feeds."""
    open_line: list[bytes] = []
    for block in blocks(file_range, lines):
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
        return RowError("not UTF-8", f"byte {error.object[error.start]:#04x}")


def _place(line: int) -> str:
    return f" after line {line:,}" if line else ""
