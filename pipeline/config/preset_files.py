"""Presets: the configurations that come with BigVocab. Commands list them without loading one."""

from __future__ import annotations

import importlib.resources

PRESETS = importlib.resources.files("pipeline.config") / "presets"
"""Folder with a file `<name>.yaml` for each preset."""
DEFAULT_PRESET = "shared_projection"


def preset_names() -> list[str]:
    """Return the names of the presets, sorted, without the ending `.yaml`."""
    return sorted(entry.name.removesuffix(".yaml") for entry in PRESETS.iterdir() if entry.name.endswith(".yaml"))


def preset_summary(name: str) -> str:
    """Return the description of a preset, without loading the preset."""
    import yaml

    return str(yaml.safe_load((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))["description"])
