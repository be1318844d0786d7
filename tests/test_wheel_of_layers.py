"""Tests of the wheel, installed by plain pip without an extra: the layers need only TensorFlow and Keras."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.bigvocab.document import ROOT, example
from tests.kubeflow.uv import UV

PACKAGES = ("benchmarks", "bigvocab", "components", "pipeline", "schemas")
FILES = ("pyproject.toml", "README.md", "LICENSE")
PROOF = """
import importlib.util, sys
import bigvocab
assert bigvocab.__file__.startswith(sys.prefix), bigvocab.__file__
assert not [name for name in ("tfx", "apache_beam", "pydantic", "pyarrow") if importlib.util.find_spec(name)]
assert not [name for name in sys.modules if name.split(".")[0] in ("tfx", "apache_beam", "pipeline")]
assert ids.shape == (3, 10)
print(bigvocab.__version__)
"""


def _run(*command: str | Path, where: Path) -> subprocess.CompletedProcess[str]:
    # Keep the caller's variables for the package index, but none that lead to this checkout.
    own = {n: v for n, v in os.environ.items() if not re.match(r"VIRTUAL_ENV|PYTHON|UV_PROJECT", n)}
    return subprocess.run(list(map(str, command)), cwd=where, env=own, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_layers_work_from_the_wheel_alone(tmp_path: Path) -> None:
    assert _run(sys.executable, "-m", "venv", "venv", where=tmp_path).returncode == 0
    python = tmp_path / "venv" / "bin" / "python"
    reached = _run(python, "-m", "pip", "download", "--no-deps", "--dest", "reached", "keras", where=tmp_path)
    if reached.returncode:
        pytest.skip(f"the package index does not answer: {reached.stderr.strip().splitlines()[-1]}")
    # A copy, because setuptools writes beside the source.
    source = tmp_path / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, source / file)
    built = _run(python, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "dist", "./source", where=tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("bigvocab-*.whl")
    # uv unpacks the newest TensorFlow and Keras in a tenth of pip's time. pip then installs the wheel, and whatever
    # else its metadata asks for.
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    linked = _run(UV, "pip", "install", "--link-mode=hardlink", "--python", python, *dependencies, where=tmp_path)
    assert linked.returncode == 0, linked.stderr
    installed = _run(python, "-m", "pip", "install", "--no-compile", wheel, where=tmp_path)
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "example.py").write_text(example() + PROOF)
    done = _run(python, "example.py", where=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == wheel.name.split("-")[1]
