"""Detection of unknown tokens that a model knows in another form, such as `3` for `3.0`."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from components.ingest.values import whole
from components.preprocessing.vocabulary import escape

_COMPARED = 100
"""Maximum number of tokens of a column to look up. Each search reads the whole vocabulary file, which may be large."""


class OtherForms:
    """Lookup of the form in which a model knows a token.

    Args:
        vocabulary: File of the input vocabulary. If the file does not exist, no form is found.
    """

    def __init__(self, vocabulary: Path) -> None:
        self._file = vocabulary if vocabulary.is_file() and vocabulary.stat().st_size else None
        self._compared: dict[str, set[str]] = {}

    def of(self, column: str, token: str) -> str | None:
        """Return the known form of an unknown token; None if the token is known, or if no form is known.

        Only the first tokens of a column are looked up.
        """
        compared = self._compared.setdefault(column, set())
        if self._file is None or token in compared or len(compared) >= _COMPARED:
            return None
        compared.add(token)
        with self._file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
            # A line is a count, a space and the escaped token.
            forms = (form for form in (token, *_forms(token)) if lines.find(f" {escape(form)}\n".encode()) >= 0)
            found = next(forms, None)
        return None if found == token else found


def _forms(token: str) -> Iterator[str]:
    """Yield other forms of a token: without or with `.0`, without white space, in lower or upper case."""
    forms = [whole(token), *([f"{token}.0"] if token.removeprefix("-").isdecimal() else [])]
    forms += [token.strip(), token.lower(), token.upper()]
    yield from dict.fromkeys(form for form in forms if form and form != token)
