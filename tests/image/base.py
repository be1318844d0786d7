"""Base of the image: a minimal Debian from debootstrap, as a tar file."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.fresh_machine.machine import Machine

SUITE, PYTHON = "trixie", "python3.13"
"""Debian 13. Debian 12 has an older C library than the wheels for its successor's Python need."""
_CLEAN = """DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
"""
"""Settings of Debian's own image: apt keeps no packages and no caches, which would be part of a layer."""


def debian(folder: Path, mirror: str, log: Path) -> Path:
    """Return the tar file of the base in a folder, and make it if it is missing.

    Raises:
        Failed: debootstrap failed.
    """
    file = folder / f"debian-{SUITE}.tar"
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix="base-", dir=folder))
    machine = Machine(temporary / SUITE, SUITE, log, {})
    try:
        machine.build(mirror, ["apt"])
        for package in (machine.root / "var" / "cache" / "apt" / "archives").glob("*.deb"):
            package.unlink()
        (machine.root / "etc" / "apt" / "apt.conf.d" / "docker-clean").write_text(_CLEAN)
        part = temporary / "part.tar"
        subprocess.run(["tar", "--create", "--file", part, "--numeric-owner", "-C", machine.root, "."], check=True)
        part.rename(file)
    finally:
        machine.remove()  # Refuses if a mount exists below; then the temporary folder stays.
    temporary.rmdir()
    return file
