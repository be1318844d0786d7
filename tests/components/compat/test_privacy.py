"""Tests that only `components/compat` uses private parts of libraries."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("pipeline", "components", "benchmarks")
COMPAT = ROOT / "components" / "compat"
ENTRY = ("Reason:", "Versions:", "Remove when:")

NOT_PUBLIC = re.compile(
    r"""
    tensorflow\.(python|core)\b
    | keras\.src\b
    | tensorflow_transform\.(?!beam$)
    | tensorflow_(data_validation|model_analysis)\b  # Only after TFX.
    | tfx\.(orchestration|dsl\.compiler)\b
    | tfx_bsl\.(?!public\b)
    | apache_beam\.(internal|portability|runners|utils\.(?!windowed_value\b))
    | unittest\b
    """,
    re.VERBOSE,
)
"""Private modules of libraries, and modules that need another import first."""

ALLOWED = {
    # The type of a group of commands has no public name.
    "argparse": {"_SubParsersAction"},
    # Documented by Python, in spite of its name.
    "os": {"_exit"},
    # A parser reads this name of its commands, which have its own class.
    "parser": {"_known"},
}
"""Allowed private names, by the name of the object that has them."""

EXTRAS = {"kfp"}
"""Packages that only an extra of BigVocab installs. Without them, the modules that need them are not looked at."""

PYTHON = ("builtins", "typing", "abc", "enum", "argparse")
"""Modules of Python whose classes have private names that every derived class has."""


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if COMPAT not in path.parents)


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def faults(source: str, module: str) -> Iterator[str]:
    """Yield each use of a private part of other code in a module, as `line: name`.

    Args:
        source: Source code of the module.
        module: Dotted name of the module.
    """
    tree = ast.parse(source)
    own = {"self", "cls", "super()"}
    for node in ast.walk(tree):
        for name in _imported(node):
            if not name.startswith(PACKAGES) and (NOT_PUBLIC.match(name) or any(map(private, name.split(".")))):
                yield f"{node.lineno}: {name}"  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(node, ast.Attribute) and private(node.attr):
            of = ast.unparse(node.value)
            if of not in own and node.attr not in ALLOWED.get(of, ()):
                yield f"{node.lineno}: {of}.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and private(str(name.value)):
                yield f"{node.lineno}: {ast.unparse(node)}"
    yield from _patches(tree)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level and node.module != "__future__":
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _patches(tree: ast.AST) -> Iterator[str]:
    """Yield each assignment to a name of an imported module or class."""
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Attribute) and _root(target) in imported - {"sys"}:
                yield f"{target.lineno}: {ast.unparse(target)} is set"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr" and _root(node.args[0]) in imported:
            yield f"{node.lineno}: {ast.unparse(node)}"


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def hidden(kind: type) -> set[str]:
    """Return the private names of library classes that a derived class overrides or uses.

    A name that both our class and the library set counts as ours.
    """
    mine = [each for each in kind.__mro__ if each.__module__.startswith(PACKAGES)]
    theirs = [each for each in kind.__mro__ if each not in mine and each.__module__ not in PYTHON]
    of_classes = {name for each in theirs for name in vars(each) if private(name)} - _EVERYWHERE
    of_objects = {name for each in theirs for name in _SELF.findall(_source(each))}
    # A copy, because Pydantic builds a deferred class, and changes its dictionary, when its validator is looked at.
    methods = [getattr(each, "fget", None) or getattr(each, "__func__", each) for each in [*vars(kind).values()]]
    used = {name for each in methods if hasattr(each, "__code__") for name in each.__code__.co_names}
    set_by_us = {name for each in mine for name in _SET.findall(_source(each))}
    return ((used | set(vars(kind))) & of_classes) | (used & of_objects - set_by_us)


_EVERYWHERE = {"_abc_impl", "_is_protocol", "_is_runtime_protocol"}
_SELF = re.compile(r"\bself\.(_[a-z]\w*)")
_SET = re.compile(r"(?:\bself\.|\bdef )(_\w+)\s*(?:\(|,|:|=(?!=))")


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # Created by a function, or not in Python.
        return ""


def test_there_is_source_to_look_at() -> None:
    assert len(sources()) > 100


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_touches_no_private_part_of_a_library(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert list(faults(path.read_text(), module)) == []


@pytest.mark.slow
def test_a_class_uses_no_private_name_of_a_class_of_a_library() -> None:
    found: dict[str, set[str]] = {}
    for path in sources():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if "class " not in path.read_text() or module.endswith(("__main__", "torch_steps", "polars_rows")):
            continue
        try:
            imported = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
            continue
        for kind in vars(imported).values():
            if isinstance(kind, type) and kind.__module__ == module and (names := hidden(kind)):
                found[f"{module}.{kind.__name__}"] = names
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "from tensorflow.python.saved_model import fingerprinting_utils",
        "import tensorflow_data_validation as tfdv",
        "from unittest import mock",
        "from tfx.orchestration.portable import launcher",
        "from tfx_bsl.coders import example_coder",
        "from apache_beam.runners.worker import sdk_worker",
        "from keras.src import backend",
        "from keras._tf_keras import losses",
        "def f(layer):\n    return layer._flatten_layers()",
        "def f(layer):\n    return getattr(layer, '_layers')",
        "import keras\nkeras.layers.Dense = None",
        "import tfx\nsetattr(tfx.components, 'Transform', None)",
    ],
)
def test_a_fault_is_seen(source: str) -> None:
    assert list(faults(source, "components.made_up"))


def test_a_private_name_of_a_librarys_class_is_seen() -> None:
    keras = pytest.importorskip("keras")
    made = type(
        "Made",
        (keras.layers.Layer,),
        {"__module__": "components.made_up", "_flatten_layers": None, "f": lambda self: self._lock, "_own": 1},
    )
    assert hidden(made) == {"_flatten_layers", "_lock"}


@pytest.mark.parametrize("path", sorted(COMPAT.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_an_entry_has_its_reason_its_versions_and_the_condition_for_its_removal(path: Path) -> None:
    tree = ast.parse(path.read_text())
    of_module = ast.get_docstring(tree) or ""
    if all(word in of_module for word in ENTRY):
        return
    entries = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    lacking = [node.name for node in entries if not all(word in (ast.get_docstring(node) or "") for word in ENTRY)]
    assert entries
    assert lacking == []


@pytest.mark.parametrize("module", ["keras", "tensorflow"])
def test_layers_get_no_tfx_by_compat(module: str) -> None:
    tree = ast.parse((COMPAT / f"{module}.py").read_text())
    tops = {name.partition(".")[0] for node in ast.walk(tree) for name in _imported(node)}
    assert tops - set(sys.stdlib_module_names) <= {"keras", "tensorflow"}
