"""Keys of the configuration: what may stand where, as a user writes it."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from pipeline.config.spec import Config

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """Where a fault is.

    Attributes:
        key: as the user writes it. pydantic puts the kind into it where a part of the configuration has several.
        fields: the keys that may stand there.
        kind: the kind at hand.
        other_kinds: the kinds that have the key, where the one at hand has not.
    """

    key: Key
    fields: tuple[str, ...]
    kind: str | None = None
    other_kinds: tuple[str, ...] = ()


def place(location: Key) -> Place:
    """Finds the place of one of pydantic's locations."""
    here: Any = Config
    key: list[str | int] = []
    kinds: Mapping[str, type[BaseModel]] = {}
    fields: Mapping[str, Any] = {}
    kind: str | None = None
    others: list[str] = []
    for part in location:
        by_kind = _kinds(here)
        if part in by_kind:
            kinds, kind, here = by_kind, str(part), by_kind[str(part)]
            continue
        model = next(iter(_models(here)), None)
        fields = model.model_fields if model else {}
        others = [kind for kind, model in kinds.items() if part in model.model_fields and part not in fields]
        kinds = {}
        key.append(part)
        here = fields[str(part)].annotation if part in fields else _element(here)
    return Place(tuple(key), tuple(fields), kind, tuple(others))


def dotted(key: Key) -> str:
    return ".".join(str(part) for part in key)


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _members(annotation: Any) -> list[Any]:
    """What a union is of; a type that is none, alone."""
    annotation = _plain(annotation)
    is_union = get_origin(annotation) is Union or isinstance(annotation, types.UnionType)
    return [_plain(member) for member in get_args(annotation)] if is_union else [annotation]


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [m for m in _members(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]


def _kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models of a union by their `kind`; empty where there is nothing to choose."""
    models = _models(annotation)
    kinds = [model.model_fields["kind"].annotation for model in models if "kind" in model.model_fields]
    if len(models) < 2 or not all(get_origin(kind) is Literal for kind in kinds):
        return {}
    return {get_args(kind)[0]: model for kind, model in zip(kinds, models, strict=True)}


def _element(annotation: Any) -> Any:
    """Of a mapping or a list: what stands under a name or a number."""
    containers = [m for m in _members(annotation) if get_origin(m) in (dict, list, tuple)]
    return get_args(containers[0])[-1] if containers else None
