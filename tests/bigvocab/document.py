"""Example of docs/how-to/layers.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def example() -> str:
    """Return the code of the document's Python block."""
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs" / "how-to" / "layers.md").read_text(), re.DOTALL | re.MULTILINE
    )
    return code
