"""Tests of the public package: it has only names, and imports them when they are read."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bigvocab
from tests.bigvocab.document import ROOT

MODULES = ("bigvocab", "bigvocab.layers")
# Reads the names without TFX, pydantic and pyarrow, as in an installation without the extra `pipeline`.
WITHOUT = """
import importlib.util, sys
sys.path.insert(0, ROOT)
absent = {"tfx", "pydantic", "pyarrow", "apache_beam", "yaml", "orjson"}
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in absent else find_spec(name, *rest)
sys.modules.update(dict.fromkeys(absent))
import bigvocab
assert not {"keras", "tensorflow", "numpy"} & sys.modules.keys()
import bigvocab.layers
for name in bigvocab.layers.__all__:
    getattr(bigvocab.layers, name)
try:
    bigvocab.load
except ImportError as error:
    print(error)
"""


def _run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = code.replace("ROOT", repr(str(ROOT)))
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_found_where_it_is_documented(module: str) -> None:
    found = sys.modules.get(module) or __import__(module, fromlist=["_"])
    assert sorted(found.__all__) == found.__all__ == dir(found)
    for name in found.__all__:
        assert getattr(found, name) is not None
        assert name in (found.__doc__ or "") or inspect.isclass(getattr(found, name))


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_a_docstring_and_a_place_in_the_reference(module: str) -> None:
    found = sys.modules.get(module) or __import__(module, fromlist=["_"])
    places = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    for name in set(found.__all__) - {"__version__", "layers"}:
        public = getattr(found, name)
        assert public.__doc__, f"{name} has no docstring"
        assert f"::: {found._PLACES[name].replace(':', '.')}\n" in places, f"{name} is not in docs/reference/python.md"
        methods = vars(public).items() if inspect.isclass(public) else ()
        assert not [word for word, each in methods if word[0] != "_" and inspect.isfunction(each) and not each.__doc__]


def test_a_wrong_name_suggests_the_nearest() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_confg'; did you mean 'load_config'"):
        bigvocab.load_confg  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean 'SampledSoftmax'"):
        bigvocab.layers.SampledSoftMax  # noqa: B018


def test_the_package_holds_no_code_of_its_own() -> None:
    for file in (ROOT / "bigvocab").glob("*.py"):
        if file.name != "_names.py":
            tree: Any = ast.parse(file.read_text())
            assert [n.name for n in tree.body if hasattr(n, "name")] == ["__getattr__", "__dir__"]
            typed = {a.asname for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names if a.asname}
            (places,) = (ast.literal_eval(n.value) for n in tree.body if _is(n, "_PLACES"))
            assert typed == places.keys(), "a checker sees other names than a program"


def _is(node: Any, name: str) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name


@pytest.mark.slow
def test_the_layers_need_nothing_of_the_pipeline() -> None:
    done = _run(WITHOUT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "bigvocab.load needs the packages of the pipeline: pip install 'bigvocab[pipeline]'\n"


def test_another_backend_of_keras_is_refused(tmp_path: Path) -> None:
    # A stub, because JAX is not installed.
    (tmp_path / "keras.py").write_text("class config:\n    backend = staticmethod(lambda: 'jax')\n")
    done = _run("import bigvocab.layers; bigvocab.layers.RowAdam", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert "needs Keras on TensorFlow, not on jax: set KERAS_BACKEND=tensorflow" in done.stderr
