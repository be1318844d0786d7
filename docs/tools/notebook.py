"""Notebook of the layers: its cells, and the page that shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.tools.repository import ROOT

FILE = ROOT / "docs" / "notebooks" / "layers.ipynb"


def cells(file: Path = FILE) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the kind of each cell, `markdown` or `code`, its source, and the cell itself."""
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        yield cell["cell_type"], "".join(cell["source"]), cell


def page() -> str:
    """Return the Markdown of the page: the texts, the code and the printed output."""
    parts = []
    for kind, source, cell in cells():
        parts.append(source if kind == "markdown" else f"```python\n{source}\n```")
        printed = "".join("".join(each.get("text", [])) for each in cell.get("outputs", []))
        if printed:
            parts.append(f"```text\n{printed.rstrip()}\n```")
    return "\n\n".join(parts) + f"\n\nThe notebook is `{FILE.relative_to(ROOT)}`; a test of the suite executes it.\n"
