"""The whole configuration of a run as keys and values, and its differences from the preset that it is based on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from components.choices import leaves
from components.messages.redaction import redacted
from pipeline.config.keys import Key, dotted
from pipeline.config.loading import load
from pipeline.config.preset_files import PRESETS, preset_names
from pipeline.config.spec import Config

_NOT_OF_A_RUN = ("description", "quick")
_ABSENT = object()


def configuration(config: Config) -> dict[str, Any]:
    """Return the section `configuration` of a summary, without secrets.

    Returns:
        Dictionary with `preset`, the preset with the same `name`, or None; and `settings`, all keys in order, with
        `key`, `value`, `differs`, and `base`, the different value in the preset. Without a preset, the keys that the
        configuration sets differ, and have no `base`.
    """
    preset = _preset(config.name)
    base = dict(_flat(load(preset).model_dump(mode="json"))) if preset else None
    written = {key for key, _ in _flat(config.model_dump(mode="json", exclude_unset=True))}
    settings = []
    for key, value in _flat(config.model_dump(mode="json")):
        other = None if base is None else base.get(key, _ABSENT)
        differs = (key in written and value is not None) if base is None else other != value
        settings.append(
            {
                "key": dotted(key),
                "value": _without_secrets(value),
                "differs": differs,
                "base": _without_secrets(other) if differs and other is not _ABSENT else None,
            }
        )
    return {"preset": preset, "settings": settings}


def _preset(name: str) -> str | None:
    """Return the preset whose configuration has this name."""
    for preset in preset_names():
        text = (PRESETS / f"{preset}.yaml").read_text(encoding="utf-8")
        if yaml.safe_load(text)["name"] == name:
            return preset
    return None


def _flat(tree: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
    """Yield the keys that have a value. A list and an empty section are values."""
    return ((key, value) for key, value in leaves(tree) if key[0] not in _NOT_OF_A_RUN)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _without_secrets(item) for name, item in value.items()}
    return redacted(value) if isinstance(value, str) else value
