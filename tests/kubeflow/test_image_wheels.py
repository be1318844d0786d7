"""Tests that Ubuntu 24.04 can install the locked packages.

They read the lock file, because the tests run on another Python.
"""

from __future__ import annotations

import re

import pytest

from tests.kubeflow.dockerfile import Dockerfile
from tests.wheels import PURE_PYTHON, ROOT, locked, named, tags, without_wheel

DOCKERFILE = Dockerfile.read(ROOT / "kubeflow" / "Dockerfile")
PYTHON = (3, int(DOCKERFILE.arguments["PYTHON"].removeprefix("python3.")))
GLIBC = {"ubuntu:24.04": 39}
"""Minor version of the C library of an image."""


def _installed(target: str) -> dict[str, str]:
    """Return package and version of all packages that a target installs."""
    (run,) = DOCKERFILE.stages[f"dependencies-{target}"].of("RUN")
    return named(" ".join(re.findall(r"--no-dev|--extra \w+", run.text)).split(), PYTHON)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_the_image_is_built_without_a_compiler(target: str) -> None:
    fitting = tags(PYTHON, GLIBC[DOCKERFILE.line_of(target)[0].base])
    assert without_wheel(_installed(target).items(), locked(), fitting) <= PURE_PYTHON
    installs = [run.text for stage in DOCKERFILE.stages.values() for run in stage.of("RUN") if "apt-get" in run.text]
    assert installs
    assert not [text for text in installs if re.search(r"g\+\+|gcc|build-essential|-dev\b", text)]


def test_older_systems_would_lack_wheels() -> None:
    """Check the reason for Ubuntu 24.04: with an older C library, two packages cannot be installed for its Python."""
    packages = _installed("cpu").items()
    missing = without_wheel(packages, locked(), tags(PYTHON, 38)) - PURE_PYTHON
    assert missing == {"ml-metadata", "tensorflow-data-validation"}


def test_cuda_comes_with_the_gpu_image_only() -> None:
    cpu, gpu = _installed("cpu"), _installed("gpu")
    assert cpu.items() <= gpu.items()
    more = gpu.keys() - cpu.keys()
    assert any(name.startswith("nvidia-") for name in more)
    assert not any(name.startswith("nvidia-") for name in cpu)
