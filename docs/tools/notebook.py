"""Notebook of the layers: its cells, and the page that shows it. `python -m docs.tools.notebook` stores its output."""

from __future__ import annotations

import contextlib
import io
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


def execute(file: Path = FILE) -> tuple[dict[str, Any], list[str]]:
    """Execute the code of a notebook, and return its variables and the printed text of each code cell."""
    variables: dict[str, Any] = {}
    printed = []
    for kind, source, _ in cells(file):
        if kind == "code":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(source, str(file), "exec"), variables)
            printed.append(out.getvalue())
    return variables, printed


def main() -> None:
    """Execute the notebook and store the printed text in it."""
    tree = json.loads(FILE.read_text(encoding="utf-8"))
    code = [cell for cell in tree["cells"] if cell["cell_type"] == "code"]
    for number, (cell, text) in enumerate(zip(code, execute()[1], strict=True), 1):
        cell["execution_count"] = number
        stream = {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}
        cell["outputs"] = [stream] if text else []
    FILE.write_text(json.dumps(tree, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
