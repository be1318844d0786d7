"""Secrets of a build: how uv reaches the package index from this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

_FILES = ("~/.config/uv/uv.toml", "/etc/uv/uv.toml")
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
_SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


def secrets(folder: Path, mark: str, of: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Write the secrets of the Dockerfile to files, and return the files by the id of the secret.

    Args:
        folder: Folder of the files.
        mark: Text to add to each file as a comment. It must not be found in the image.
        of: Environment variables.
    """
    found = {"uv": _settings(of)}
    bundle = next(filter(None, map(of.get, _BUNDLES)), _SYSTEM)
    if Path(bundle).is_file():
        found["certificates"] = Path(bundle).read_text()
    files = {}
    for name, text in found.items():
        files[name] = folder / name
        files[name].touch(mode=0o600)
        files[name].write_text(f"# {mark}\n{text}")
    return files


def _settings(of: Mapping[str, str]) -> str:
    """Return the settings of uv in the form of uv.toml: from its file, or else from its variables."""
    for name in _FILES:
        file = Path(name).expanduser()
        if file.is_file():
            return file.read_text()
    lines = ["system-certs = true\n"]
    if url := of.get("UV_DEFAULT_INDEX") or of.get("UV_INDEX_URL"):
        lines.append(f"index-url = {json.dumps(url)}\n")
    if urls := of.get("UV_EXTRA_INDEX_URL", "").split():
        lines.append(f"extra-index-url = {json.dumps(urls)}\n")
    return "".join(lines)
