"""Versions of the software that a result depends on."""

from __future__ import annotations

import platform
from importlib import metadata

_DISTRIBUTIONS = {
    "bigvocab": "bigvocab",
    "tfx": "tfx",
    "tensorflow": "tensorflow",
    "keras": "keras",
    "beam": "apache-beam",
}


def installed_versions() -> dict[str, str]:
    """Return the installed versions by short name, without importing any of the packages.

    Raises:
        importlib.metadata.PackageNotFoundError: A package is not installed.
    """
    versions = {name: metadata.version(distribution) for name, distribution in _DISTRIBUTIONS.items()}
    return {"python": platform.python_version(), **versions}
