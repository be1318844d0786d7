"""Code that the documentation shows, for tests to run."""

from __future__ import annotations

import re
from pathlib import Path

EXTENDING = Path(__file__).parents[1] / "docs" / "extending.md"


def code_block(file: Path, section: str, language: str) -> str:
    """Return the first block of a language in a section.

    Raises:
        LookupError: The section has none.
    """
    for part in re.split(r"^## ", file.read_text(encoding="utf-8"), flags=re.MULTILINE):
        if part.startswith(f"{section}\n") and (block := re.search(rf"^```{language}\n(.*?)^```", part, re.M | re.S)):
            return block[1]
    raise LookupError(f"{file}: no {language} in the section '{section}'")
