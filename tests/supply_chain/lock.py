"""Packages of `uv.lock`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "uv.lock"
INDEX = "https://pypi.org/simple"
FILES = "https://files.pythonhosted.org/"
NEVER_INSTALLED = {"cuda-bindings", "triton"}
"""Packages that `override-dependencies` in pyproject.toml excludes from every machine. They have no files."""


def packages(text: str | None = None) -> list[dict[str, Any]]:
    """Return the locked packages without BigVocab itself."""
    found = tomllib.loads(text if text is not None else LOCK.read_text(encoding="utf-8"))["package"]
    return [package for package in found if package["source"] != {"editable": "."}]


def faults(locked: list[dict[str, Any]]) -> list[str]:
    """Return the packages that are not from the index, and the files without a hash."""
    found = []
    for package in locked:
        name = package["name"]
        files = [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", [])]
        if package["source"] != {"registry": INDEX}:
            found.append(f"{name}: from {package['source']}, not from {INDEX}")
        if not files and name not in NEVER_INSTALLED:
            found.append(f"{name}: no file")
        for file in files:
            if not file.get("hash", "").startswith("sha256:"):
                found.append(f"{name}: no SHA-256 hash of {file.get('url')}")
            if not file.get("url", "").startswith(FILES):
                found.append(f"{name}: {file.get('url')} is not a file of the index")
    return found
