"""Cells of Markdown tables."""

from __future__ import annotations

import re


def cell(text: str) -> str:
    """Return a text as one line in which no bar ends the cell. In code, Markdown reads a bar as it is."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else part.replace("|", "\\|") for part in parts)
