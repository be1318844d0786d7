"""Kind of a file, from its name."""

from __future__ import annotations

from components.ingest.spec import SourceKind

_KINDS: dict[SourceKind, tuple[str, ...]] = {
    "csv": (".csv", ".tsv", ".tab"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet", ".pq"),
    "tfrecord": (".tfrecord", ".tfrecords"),
    "text": (".txt", ".text", ".md"),
}
_PACKED = (".gz", ".bz2", ".xz")


def kind_of(path: str) -> SourceKind | None:
    """Return the kind of source that a file name stands for, or None for an unknown ending."""
    name = path.lower()
    packed = next((ending for ending in _PACKED if name.endswith(ending)), "")
    name = name.removesuffix(packed)
    return next((kind for kind, endings in _KINDS.items() if name.endswith(endings)), None)
