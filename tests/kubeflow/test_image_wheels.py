"""Can Ubuntu 24.04 install what the lock names? The tests run on another Python, so the lock is asked."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from tests.kubeflow.dockerfile import Dockerfile
from tests.kubeflow.uv import UV

ROOT = Path(__file__).parents[2]
DOCKERFILE = Dockerfile.read(ROOT / "kubeflow" / "Dockerfile")
GLIBC = {"ubuntu:24.04": 39}
"""Minor version of the C library of an image."""
FOR_MARKERS = {
    "python_version": "3.12",
    "python_full_version": "3.12.3",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
}


def _tags(glibc: int) -> set[Tag]:
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(5, glibc + 1)]
    platforms += ["manylinux1_x86_64", "manylinux2010_x86_64", "manylinux2014_x86_64", "linux_x86_64"]
    python = (3, 12)
    return {*cpython_tags(python, platforms=platforms), *compatible_tags(python, "cp312", platforms)}


def _named_by_the_lock(target: str) -> dict[str, str]:
    """Package and version, of what a target installs."""
    (run,) = DOCKERFILE.stages[f"dependencies-{target}"].of("RUN")
    options = re.findall(r"--no-dev|--extra \w+", run.text)
    command = [UV, "export", "--frozen", "--no-header", "--no-annotate", "--no-hashes", "--no-emit-project"]
    command += " ".join(options).split()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        requirement, _, marker = line.partition(" ; ")
        if not marker or Marker(marker).evaluate(FOR_MARKERS):
            name, version = requirement.split("==")
            found[re.sub(r"\[.*", "", name)] = version
    return found


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_whoever_publishes_wheels_has_one_for_the_image(target: str) -> None:
    base = DOCKERFILE.line_of(target)[0].base
    tags = _tags(GLIBC[base])
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    packages: dict[tuple[str, str], Any] = {(one["name"], one["version"]): one for one in lock["package"]}
    from_source = set()
    for name, version in _named_by_the_lock(target).items():
        files = [wheel["url"].rsplit("/", 1)[1] for wheel in packages[name, version].get("wheels", [])]
        if not files:
            from_source.add(name)
        else:
            assert any(tags & parse_wheel_filename(file)[3] for file in files), f"{name} {version}: {files}"
    # The rest is built, which takes a compiler in the stage that does it and nothing in the one that runs.
    assert "pyfarmhash" in from_source
    assert any("g++" in run.text for run in DOCKERFILE.stages["build"].of("RUN"))


def test_older_systems_would_lack_wheels() -> None:
    """Why the image is Ubuntu 24.04: with an older C library, ML Metadata cannot be installed for its Python."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    version = _named_by_the_lock("cpu")["ml-metadata"]
    (package,) = (one for one in lock["package"] if (one["name"], one["version"]) == ("ml-metadata", version))
    tags = _tags(38)
    assert not any(tags & parse_wheel_filename(one["url"].rsplit("/", 1)[1])[3] for one in package["wheels"])


def test_cuda_comes_with_the_gpu_image_only() -> None:
    cpu, gpu = _named_by_the_lock("cpu"), _named_by_the_lock("gpu")
    assert cpu.items() <= gpu.items()
    more = gpu.keys() - cpu.keys()
    assert any(name.startswith("nvidia-") for name in more)
    assert not any(name.startswith("nvidia-") for name in cpu)
