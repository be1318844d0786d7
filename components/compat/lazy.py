"""Packages whose code runs at the first use of a name. They must be made lazy before anything imports them.

Reason: Keras imports scikit-learn for its wrappers, which takes a fifth of the time of `import tensorflow`, and
    IPython, to show a file in a notebook, which takes a tenth.
Versions: TensorFlow 2.21, Keras 3.15.
Remove when: Keras imports scikit-learn and IPython at their first use.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_LOCK = threading.RLock()
_MODULES: dict[str, Mapping[str, Sequence[str]]] = {}


class _Lazy(ModuleType):
    """Package whose code runs at the first use of a name that is neither a submodule nor in `_MODULES`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python looks these names up in every module.
            raise AttributeError(name)
        if modules := _MODULES[self.__name__].get(name):
            return getattr([importlib.import_module(module) for module in modules][-1], name)
        path = vars(self).get("__path__")  # A module that is no package has none.
        if path and PathFinder.find_spec(submodule := f"{self.__name__}.{name}", path):
            return importlib.import_module(submodule)
        with _LOCK:
            if "_begun" not in vars(self):
                vars(self)["_begun"] = True
                assert self.__spec__
                assert self.__spec__.loader
                self.__spec__.loader.exec_module(self)
        if name not in vars(self):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return vars(self)[name]


def make_lazy(package: str, modules: Mapping[str, Sequence[str]] | None = None) -> None:
    """Make a package or a module lazy, unless it is already imported or not installed.

    Args:
        package: Name of a package that only imports names from other modules, or of a module.
        modules: Modules to import for some names in place of the package. The last module defines the name.
    """
    if package in sys.modules or not (spec := _spec(package)):
        return
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _Lazy
    _MODULES[package] = modules or {}
    sys.modules[package] = module
    parent, _, name = package.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], name, module)


def _spec(package: str) -> ModuleSpec | None:
    """Return the spec of a package without importing its parents, or None if it is not installed."""
    parent = package.rpartition(".")[0]
    above = _spec(parent) if parent else None
    if parent and not above:
        return None
    return PathFinder.find_spec(package, above.submodule_search_locations if above else None)


make_lazy("keras.wrappers")
make_lazy("IPython")
