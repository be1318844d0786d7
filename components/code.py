"""A fingerprint of source code, so that a cached result of older code is never served."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from pathlib import Path


@functools.cache
def fingerprint(*modules: str) -> str:
    """Hashes the source of modules, and of all that each imports from its own top package.

    TFX's cache key holds a user function's dotted path, not what stands behind it: a component passes this beside the
    path.

    Args:
        modules: dotted names: below `components`, or a user's own.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    seen: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no module named {name!r}")
        seen[name] = Path(spec.origin).read_bytes()
        waiting += _imports(seen[name], name.partition(".")[0])
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + seen[name] + b"\0")
    return digest.hexdigest()[:16]


def _imports(source: bytes, root: str) -> set[str]:
    """Modules below `root` that a source imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = {name for name in names if name.startswith(f"{root}.")}
    return {name for name in ours if _is_module(name)}


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # `from module import name`: the parent is no package.
        return False
