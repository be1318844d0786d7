"""Tests that no module executes code from a file that it reads, as a pickle or an unsafe YAML loader does.

Pods share storage: whoever can write to it could otherwise execute code in a pod. Beam and Loky pickle what they send
from one process to another; their files are not stored.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bigvocab", "pipeline", "components", "benchmarks")
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {
    *("eval", "exec"),
    *("pd.read_pickle", "pandas.read_pickle", "torch.load"),
    *("yaml.full_load", "yaml.full_load_all", "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all"),
    "keras.config.enable_unsafe_deserialization",
}
UNPACKS = {"extract", "extractall", "unpack_archive"}
"""Functions that write files whose names are in an archive, perhaps outside the folder. BigVocab unpacks no archive."""
FOLLOWS = {"tf.io.gfile.rmtree", "fileio.rmtree"}
"""Functions that delete the files behind a link. Only `components.files.remove_tree` may call one, in object stores."""
LOADERS = {"Loader", "FullLoader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader"}
ARGUMENTS = {"allow_pickle": True, "safe_mode": False, "weights_only": False}
"""Arguments of functions that read files, and the value that lets a file execute code."""


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def faults(source: str) -> Iterator[str]:
    """Yield each way to execute code from a file, as `line: name`."""
    tree = ast.parse(source)
    safe = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "yaml.SafeLoader" in map(ast.unparse, node.bases)
    } | {"yaml.SafeLoader", "yaml.CSafeLoader"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: {each.name}" for each in node.names if each.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield f"{node.lineno}: {node.module}"
        elif isinstance(node, ast.Attribute) and node.attr in UNPACKS:
            yield f"{node.lineno}: {node.attr}"
        elif isinstance(node, ast.Attribute) and (
            ast.unparse(node) in FOLLOWS or (node.attr in LOADERS and ast.unparse(node.value) == "yaml")
        ):
            yield f"{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {each.arg: each.value for each in node.keywords}
            loader = given.get("Loader", node.args[1] if len(node.args) > 1 else None)
            if name in CALLS or (name == "yaml.load" and (loader is None or ast.unparse(loader) not in safe)):
                yield f"{node.lineno}: {name}"
            if name.endswith("load_model") and "custom_objects" in given:
                yield f"{node.lineno}: custom_objects"
            for argument, value in given.items():
                if argument in ARGUMENTS and ast.unparse(value) != str(not ARGUMENTS[argument]):
                    yield f"{node.lineno}: {argument}={ast.unparse(value)}"


def test_no_module_executes_code_from_a_file() -> None:
    assert len(sources()) > 200
    found = [f"{path.relative_to(ROOT)}:{fault}" for path in sources() for fault in faults(path.read_text())]
    (removal,) = found
    assert re.fullmatch(r"components/files\.py:\d+: tf\.io\.gfile\.rmtree", removal)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.memory",
        "def f():\n    import marshal",
        "eval(text)",
        "exec(text)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=wanted)",
        "yaml.load(text, yaml.Loader)",
        "yaml.load(text, Mine)",
        "yaml.load(text)",
        "class Mine(yaml.FullLoader): ...",
        "yaml.unsafe_load(text)",
        "keras.models.load_model(path, safe_mode=False)",
        "keras.models.load_model(path, custom_objects=stored)",
        "tarfile.open(path).extractall(folder)",
        "zipfile.ZipFile(path).extract(name)",
        "shutil.unpack_archive(path, folder)",
        "tf.io.gfile.rmtree(folder)",
        "fileio.rmtree(folder)",
        "torch.load(path)",
    ],
)
def test_a_fault_is_seen(source: str) -> None:
    assert list(faults(source))


@pytest.mark.parametrize(
    "source",
    [
        "np.load(path)",
        "np.load(path, allow_pickle=False)",
        "yaml.safe_load(text)",
        "class Mine(yaml.SafeLoader): ...\nyaml.load(text, Mine)",
        "column.list.eval(element)",
        "json.load(file)",
    ],
)
def test_a_safe_reader_is_allowed(source: str) -> None:
    assert not list(faults(source))
