"""Packages of `uv.lock` that a machine can install as wheels, without a compiler."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from tests.kubeflow.uv import UV

ROOT = Path(__file__).parents[1]
PURE_PYTHON = {"kfp-server-api", "rouge-score"}
"""Packages that are published as source only, and need no compiler."""
Locked = Mapping[tuple[str, str], Mapping[str, Any]]
"""The entries of the lock, by name and version."""


def locked() -> Locked:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {(one["name"], one["version"]): one for one in lock["package"]}


def tags(python: tuple[int, int], glibc: int) -> set[Tag]:
    """Return the wheel tags for Linux x86-64 with glibc 2.`glibc`."""
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(5, glibc + 1)]
    platforms += ["manylinux1_x86_64", "manylinux2010_x86_64", "manylinux2014_x86_64", "linux_x86_64"]
    interpreter = f"cp{python[0]}{python[1]}"
    return {*cpython_tags(python, platforms=platforms), *compatible_tags(python, interpreter, platforms)}


def named(options: Sequence[str], python: tuple[int, int]) -> dict[str, str]:
    """Return package and version of all packages that `uv sync OPTIONS` installs on Linux x86-64, without BigVocab."""
    version = f"{python[0]}.{python[1]}"
    environment = {
        "python_version": version,
        "python_full_version": f"{version}.3",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
    }
    command = [UV, "export", "--frozen", "--no-header", "--no-annotate", "--no-hashes", "--no-emit-project", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        requirement, _, marker = line.partition(" ; ")
        if not marker or Marker(marker).evaluate(environment):
            name, version = requirement.split("==")
            found[re.sub(r"\[.*", "", name)] = version
    return found


def without_wheel(packages: Iterable[tuple[str, str]], lock: Locked, fitting: set[Tag]) -> set[str]:
    """Return the names of the packages without a compatible wheel."""
    return {
        name
        for name, version in packages
        if not any(
            fitting & parse_wheel_filename(wheel["url"].rsplit("/", 1)[1])[3]
            for wheel in lock[name, version].get("wheels", [])
        )
    }
