"""Secrets that tests plant in the environment, and the search for them in everything that was written."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq

ENVIRONMENT = {
    "BIGVOCAB_METADATA_PASSWORD": "planted-Metadata/p@ss word'1\\",
    "BIGVOCAB_SQL_PASSWORD": "planted-Sql%p&ss=2",
    "AWS_SECRET_ACCESS_KEY": "planted/Aws+Key=3",
    "KF_PIPELINES_TOKEN": "planted.Kubeflow.4",
}
"""Secrets with the characters that texts, URIs, JSON and Python write in several forms."""
IN_URI = "planted-Uri-5"
"""Secret for URIs, which no variable holds."""
ALL = (*ENVIRONMENT.values(), IN_URI)


def found_in(folder: Path, texts: Mapping[str, str] | None = None, but: frozenset[Path] = frozenset()) -> list[str]:
    """Return the places of secrets, as `place: secret (form)`.

    Args:
        folder: Folder whose files are searched: their names, their bytes, and what is packed in them.
        texts: Texts to search, by name.
        but: Files in which the test itself planted a secret.
    """
    found = [fault for name, text in (texts or {}).items() for fault in _faults(name, text.encode())]
    for path in sorted(folder.rglob("*")):
        found += _faults(f"name of {path}", str(path).encode())
        if path.is_file() and path not in but:
            found += [fault for part in _parts(path.read_bytes(), path) for fault in _faults(str(path), part)]
    return found


def _faults(place: str, content: bytes) -> Iterator[str]:
    for secret in ALL:
        for form, needle in _forms(secret):
            if needle in content:
                yield f"{place}: {secret} ({form})"


def _forms(secret: str) -> Iterator[tuple[str, bytes]]:
    yield "plain", secret.encode()
    yield "URL", quote(secret, safe="").encode()
    yield "URL with slashes", quote(secret).encode()
    yield "form", quote_plus(secret).encode()
    yield "JSON", json.dumps(secret)[1:-1].encode()
    yield "Python", repr(secret)[1:-1].encode()
    yield "reversed", secret[::-1].encode()
    for encoding in ("utf-16-le", "utf-16-be"):
        yield encoding, secret.encode(encoding)
    # The first and the last characters depend on the bytes before and after the secret.
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + secret.encode())
        yield "base64", packed[4 if before else 0 : len(packed) // 4 * 4 - 4]


def _parts(content: bytes, path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and those that are packed in it."""
    yield content
    for magic, unpack in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ", lzma)):
        if content.startswith(magic):
            yield unpack.decompress(content)
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    if content.startswith(b"PAR1"):
        yield repr(pq.read_table(path).to_pylist()).encode()
