"""TFX's public modules. Components, Google Cloud, scikit-learn and NLTK are imported only at their first use.

Reason: `tfx.v1` imports every component of TFX with its executor, its extensions and its runners. These import Keras
    Tuner, Google Cloud and Kubernetes. Keras imports scikit-learn for its wrappers. TFMA imports NLTK for a metric, and
    NLTK also imports scikit-learn. Each pod of a run is a process that would wait for all these imports.
Versions: TFX 1.21, Keras 3.15, TFMA 0.52 with NLTK 3.10.
Remove when: TFX, Keras and TFMA import these packages at their first use.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import tfx  # noqa: F401  adds a module that its dependencies import

_LAZY = (
    "keras.wrappers",
    "nltk",
    "nltk.stem",
    "tfx.components",
    "tfx.v1.components",
    "tfx.v1.extensions",
    "tfx.v1.orchestration.experimental",
)
"""Packages that only import names from other modules."""
_MODULES = {
    "Evaluator": ("components.compat.tfma", "tfx.components.evaluator.component"),
    "Trainer": ("tfx.components.trainer.component",),
    "Transform": ("tfx.components.transform.component",),
}
"""Modules to import for each component that BigVocab uses. The last module defines the component."""
_LOCK = threading.RLock()


class _Lazy(ModuleType):
    """Package whose code runs at the first use of a name that is neither a submodule nor in `_MODULES`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python looks these names up in every module.
            raise AttributeError(name)
        if name in _MODULES and self.__name__ == "tfx.v1.components":
            return getattr([importlib.import_module(module) for module in _MODULES[name]][-1], name)
        if PathFinder.find_spec(submodule := f"{self.__name__}.{name}", self.__path__):
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


def _spec(package: str) -> ModuleSpec | None:
    """Return the spec of a package without importing its parents, or None if it is not installed."""
    parent = package.rpartition(".")[0]
    above = _spec(parent) if parent else None
    if parent and not above:
        return None
    return PathFinder.find_spec(package, above.submodule_search_locations if above else None)


def _make_lazy(package: str) -> None:
    spec = _spec(package)
    if not spec:
        return
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _Lazy
    sys.modules[package] = module
    parent, _, name = package.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], name, module)


for _package in _LAZY:
    if _package not in sys.modules:
        _make_lazy(_package)

from tfx import v1  # noqa: E402

__all__ = ["v1"]
