"""Keys of the configuration as a user writes them, and the keys allowed beside them."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from components.extensions import Kinds
from components.messages.formatting import printable
from pipeline.config.spec import Config

Key = tuple[str | int, ...]

RENAMED = {
    "beam.job_server": "job_server_jar",
    "beam.workers": "worker_pool",
    "data.window": "num_spans",
    "kubeflow.nodes.*.patience": "rendezvous_timeout",
    "kubeflow.pod.patience": "rendezvous_timeout",
    "trainer.head.logits": "logits_dtype",
    "trainer.model.heads": "num_heads",
    "trainer.model.ngram_rate": "ngram_learning_rate_multiplier",
    "trainer.model.ordered": "ordered_ids",
    "trainer.model.shared": "shared_units",
    "trainer.validations": "validations_per_epoch",
    "vocabulary.oov_buckets": "num_oov_buckets",
}
"""Last part of the new name of each renamed key. `*` stands for any key."""


@dataclass(frozen=True)
class Place:
    """Location of a fault in the configuration.

    Attributes:
        key: Key as the user writes it. pydantic's location also contains the kind if a union has several kinds.
        fields: Keys allowed in the same section.
        kind: Kind of the section that contains the key.
        other_kinds: Kinds that have the key, if `kind` does not.
    """

    key: Key
    fields: tuple[str, ...]
    kind: str | None = None
    other_kinds: tuple[str, ...] = ()


def place(location: Key, tree: Mapping[str, Any]) -> Place:
    """Convert one of pydantic's locations to a place.

    Args:
        location: Location from a pydantic error.
        tree: Configuration as written. It has the kinds by which `components.extensions.Kinds` chose specifications.
    """
    here: Any = Config
    written: Any = tree
    key: list[str | int] = []
    kinds: Mapping[str, type[BaseModel]] = {}
    fields: Mapping[str, Any] = {}
    kind: str | None = None
    others: list[str] = []
    named = False
    for part in location:
        if part == "[key]" or (not named and _is_choice(here)):
            named = True  # pydantic names a member of the union, such as `int`, which the user did not write.
            continue
        named = False
        by_kind = _kinds(here)
        if part in by_kind:
            kinds, kind, here = by_kind, str(part), by_kind[str(part)]
            continue
        model = None if by_kind else next(iter(_models(here)), None)
        kinds = by_kind or kinds
        if model:
            fields = model.model_fields
        else:  # The kind is unknown, so the keys of all kinds are allowed.
            fields = {name: field for spec in kinds.values() for name, field in spec.model_fields.items()}
        others = [kind for kind, model in kinds.items() if part in model.model_fields and part not in fields]
        kinds = {}
        key.append(part)
        written = written.get(part) if isinstance(written, Mapping) else None
        field = fields.get(str(part))
        here = field.annotation if field else _element(here)
        if field and (choice := next((entry for entry in field.metadata if isinstance(entry, Kinds)), None)):
            kind = choice.kind_of(written)
            kinds, here = choice.own, choice.spec_of(kind)
    return Place(tuple(key), tuple(fields), kind, tuple(others))


def new_name(key: Key) -> Key | None:
    """Return the new name of a renamed key, or None if the key was not renamed."""
    for old, last in RENAMED.items():
        parts = old.split(".")
        if len(parts) == len(key) and all(part in ("*", name) for part, name in zip(parts, key, strict=True)):
            return (*key[:-1], last)
    return None


def dotted(key: Key) -> str:
    """Return a key as a user writes it, such as `data.splits.train`."""
    return ".".join(printable(str(part)) for part in key)


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _members(annotation: Any) -> list[Any]:
    """Return the members of a union, or the type itself if it is no union."""
    annotation = _plain(annotation)
    is_union = get_origin(annotation) is Union or isinstance(annotation, types.UnionType)
    return [_plain(member) for member in get_args(annotation)] if is_union else [annotation]


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [m for m in _members(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]


def _kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """Return the models of a union by their `kind`, or an empty dict if there is no choice."""
    models = _models(annotation)
    kinds = [model.model_fields["kind"].annotation for model in models if "kind" in model.model_fields]
    if len(models) < 2 or not all(get_origin(kind) is Literal for kind in kinds):
        return {}
    return {get_args(kind)[0]: model for kind, model in zip(kinds, models, strict=True)}


def _is_choice(annotation: Any) -> bool:
    """Return True if pydantic tries the members of a union one by one."""
    return len([m for m in _members(annotation) if m is not type(None)]) > 1 and not _kinds(annotation)


def _element(annotation: Any) -> Any:
    """Return the type of the elements of a mapping or a list."""
    containers = [m for m in _members(annotation) if get_origin(m) in (dict, list, tuple)]
    return get_args(containers[0])[-1] if containers else None
