"""Extraction of the code in the documentation, so that tests can run it."""

from __future__ import annotations

import re
from pathlib import Path

EXTENDING = Path(__file__).parents[1] / "docs" / "how-to" / "extending.md"


def written(folder: Path, *names: str, document: Path = EXTENDING) -> None:
    """Write the named code blocks of a document to files. The first line of a block is the name of its file.

    Raises:
        KeyError: The document has no such block.
    """
    found = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.M | re.S))
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(found[name], encoding="utf-8")
