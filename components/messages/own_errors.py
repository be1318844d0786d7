"""Recognition of BigVocab's own errors, whose texts are written for users and may quote a user's data."""

from __future__ import annotations

_PACKAGES = ("components.", "pipeline.")


def is_own(error: object) -> bool:
    """Return True if BigVocab itself defines the class of an error; False for a text."""
    return type(error).__module__.startswith(_PACKAGES)
