"""Fingerprint of source code, so that the cache never returns results of older code."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from pathlib import Path


@functools.cache
def fingerprint(*modules: str) -> str:
    """Return a hash of the source of modules, and of all modules that each imports from its own top package.

    TFX's cache key has the dotted path of a user's function, but not its code. A component passes this hash beside the
    path.

    Args:
        modules: Dotted names of modules, in `components` or a user's own.

    Raises:
        ModuleNotFoundError: A module does not exist.
    """
    seen: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f"no module named {name!r}")
        # A namespace package has no source.
        seen[name] = Path(spec.origin).read_bytes() if spec.origin else b""
        waiting += _imports(seen[name], name if spec.submodule_search_locations else name.rpartition(".")[0], name)
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + seen[name] + b"\0")
    return digest.hexdigest()[:16]


def _imports(source: bytes, package: str, module: str) -> set[str]:
    """Return the modules that a module imports from its own top package, including imports inside functions."""
    root = module.partition(".")[0]
    ours = {name for name in _imported(source, package) if name == root or name.startswith(f"{root}.")}
    return {name for name in ours if _is_module(name)}


@functools.cache  # The fingerprints of the nodes share most modules.
def _imported(source: bytes, package: str) -> frozenset[str]:
    """Return the names that a source imports, of modules and of their parts."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # `from module import name`: the parent is not a package.
        return False
