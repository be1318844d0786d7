"""Models for the tests of pushes, and a clock."""

from __future__ import annotations

from pathlib import Path


def model(folder: Path, weights: str) -> Path:
    """Write a model whose weights are these bytes, unless it exists, and return its folder."""
    made = folder / f"model-{weights}"
    for name, content in {"saved_model.pb": "graph", "variables/variables.data-00000-of-00001": weights}.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(content)
    return made


def weights(version: Path) -> str:
    """Return the weights of a version."""
    return (version / "variables/variables.data-00000-of-00001").read_text()


def clock() -> float:
    """Return a time before all pushes, so that the versions are consecutive numbers from 1."""
    return 1.0
