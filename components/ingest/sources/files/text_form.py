"""Form of a text file: its compression, encoding, byte order mark and line ends.

Sources read every text file as UTF-8 with line feeds. The byte order mark of a file determines its encoding. Without a
mark, `data.source.encoding` determines it.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from components.ingest.errors import BrokenFile
from components.ingest.sources.files.opening import is_packed, open_source, reading

Encoding = Literal["utf-8", "latin-1", "cp1252", "utf-16"]

_HEAD = 1 << 16
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_OTHERS = {
    b"\x04\x22\x4d\x18": "packed with lz4: unpack it, or pack it with gzip",
    b"PK\x03\x04": "a zip archive: unpack it, or pack the files with gzip",
    b"PAR1": "a Parquet file: set data.source.kind: parquet",
}
"""First bytes of files that are not text, each with the cause and the remedy."""
_WIDE = "utf-16"
_C1 = {byte: chr(byte) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}


@dataclass(frozen=True)
class TextForm:
    """Form of a text file.

    Attributes:
        path: Path of the file.
        encoding: Codec of the text.
        mark: Number of bytes of the byte order mark.
        returns: True if a carriage return alone ends a line, as in files of old Macintoshes.
        packed: True if the file is compressed.
    """

    path: str
    encoding: str = "utf-8"
    mark: int = 0
    returns: bool = False
    packed: bool = False

    @property
    def whole(self) -> bool:
        """True if the file can only be read from its start, so that it cannot be cut into ranges of bytes."""
        return self.packed or self.encoding.startswith(_WIDE)

    def translator(self) -> Callable[[bytes, bool], bytes]:
        """Return a function that converts blocks of the file to UTF-8 with line feeds, in order.

        The second argument of the function is True after the last block. The function raises `BrokenFile` for bytes
        that are invalid in the encoding.
        """
        end = (lambda text: text.replace(b"\r", b"\n")) if self.returns else (lambda text: text)
        if self.encoding == "utf-8":
            return lambda block, _final: end(block)
        decoder = codecs.getincrementaldecoder(self.encoding)(_C1_ERRORS if self.encoding == "cp1252" else "strict")

        def translate(block: bytes, final: bool) -> bytes:
            try:
                return end(decoder.decode(block, final).encode())
            except UnicodeError as error:
                raise BrokenFile(
                    f"{self.path}: is not {self.encoding.upper()} text: {getattr(error, 'reason', error)}: set "
                    "data.source.encoding"
                ) from error

        return translate

    def line_ends(self, block: bytes) -> bytes:
        """Return a block of the file, in its own encoding, with line feeds at the same positions."""
        return block.replace(b"\r", b"\n") if self.returns else block

    def raw_blocks(self, size: int) -> Iterator[bytes]:
        """Yield the blocks after the byte order mark in the file's own encoding, with line feeds.

        Args:
            size: Size of a block in bytes.
        """
        with open_source(self.path, unpack=False) as stream:
            stream.seek(self.mark)
            while block := stream.read(size):
                yield self.line_ends(block)


def form_of(path: str, encoding: Encoding = "utf-8") -> TextForm:
    """Return the form of a text file.

    Args:
        path: Path of the file.
        encoding: Encoding of a file without a byte order mark.

    Raises:
        BrokenFile: The file is damaged at its start, or cannot be opened.
    """
    return _form_of(path, _head(path), encoding)


def _form_of(path: str, head: bytes, encoding: Encoding) -> TextForm:
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    codec = _MARKS[mark] if mark else _wide(head) if encoding == _WIDE else encoding
    text = head[len(mark) :]
    if codec.startswith(_WIDE):
        text = text.decode(codec, "ignore").encode("utf-8", "ignore")
    returns = b"\r" in text.rstrip(b"\r") and b"\n" not in text
    return TextForm(path, codec, len(mark), returns, is_packed(path))


def check_text(path: str, encoding: Encoding = "utf-8") -> bytes:
    """Return the first bytes of a text file as UTF-8; empty for a file without contents.

    Args:
        path: Path of the file.
        encoding: Encoding of a file without a byte order mark.

    Raises:
        BrokenFile: The file is damaged, cannot be opened, or is not text of this encoding. The message names the kind
            of the file and the remedy.
    """
    head = _head(path)
    refused = next((reason for magic, reason in _OTHERS.items() if head.startswith(magic)), None)
    form = _form_of(path, head, encoding)
    if not refused and not form.mark and encoding != _WIDE and head.count(0) > len(head) // 4:
        # In Western text in UTF-16, every second byte is zero.
        refused = "UTF-16 text: set data.source.encoding: utf-16"
    if refused:
        raise BrokenFile(f"{path}: {refused}")
    return form.translator()(head[form.mark :], False)


def _head(path: str) -> bytes:
    with reading(path), open_source(path) as stream:
        return stream.read(_HEAD)


def _wide(head: bytes) -> str:
    """Return the byte order of UTF-16 text without a mark, in which the high bytes of most characters are zero."""
    return "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"


def _c1(error: UnicodeError) -> tuple[str, int]:
    """Decode the five bytes that Windows-1252 leaves undefined to control characters, as browsers do.

    Source: https://encoding.spec.whatwg.org/#index-windows-1252
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(_C1[byte] for byte in error.object[error.start : error.end]), error.end


_C1_ERRORS = "bigvocab-c1"
codecs.register_error(_C1_ERRORS, _c1)
