"""Reader of a JSON array, one object at a time, so that the array does not have to fit into memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from components.ingest.errors import BrokenFile

_NO_SPACE = re.compile(r"[^ \t\n\r]")
_DECODER = json.JSONDecoder()


def is_array(head: bytes) -> bool:
    """Return True if a file begins like an array of objects, not like JSON Lines."""
    text = head.lstrip()
    return text.startswith(b"[") and text[1:].lstrip()[:1] == b"{"


def elements(blocks: Iterable[bytes], path: str) -> Iterator[Any]:
    """Yield the elements of an array, in order.

    Args:
        blocks: Bytes of the file, as UTF-8.
        path: Path of the file, for messages.

    Raises:
        BrokenFile: The file is truncated, or is not a JSON array.
    """
    arrived = _texts(blocks, path)
    text, at, number = "", 0, 0
    expected = "["
    while True:
        at = _space(text, at)
        if at == len(text):
            text, at = next(arrived, ""), 0
            if text:
                continue
            if expected:
                raise BrokenFile(f"{path}: the JSON array breaks off after {number:,} objects: copy the file again")
            return
        if expected == "value" or (expected == "first" and text[at] != "]"):
            try:
                value, at = _DECODER.raw_decode(text, at)
            except ValueError as error:
                if not (more := next(arrived, "")):
                    raise BrokenFile(f"{path}: object {number + 1:,} of the JSON array: {error}") from error
                text, at = text[at:] + more, 0
                continue
            number += 1
            yield value
            expected = ",]"
        elif text[at] not in (expected or "") and expected != "first":
            wanted = f"where {' or '.join(expected)} belongs" if expected else "after its end"
            raise BrokenFile(
                f"{path}: {text[at : at + 20]!r} stands after {number:,} objects of the JSON array, {wanted}"
            )
        else:
            expected = {"[": "first", ",": "value", "]": ""}[text[at]]
            at += 1


def _space(text: str, at: int) -> int:
    """Return the position of the next character that is not white space."""
    found = _NO_SPACE.search(text, at)
    return found.start() if found else len(text)


def _texts(blocks: Iterable[bytes], path: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in blocks:
            if text := decoder.decode(block):
                yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise BrokenFile(f"{path}: byte {error.object[error.start]:#04x} is not UTF-8 text") from error
