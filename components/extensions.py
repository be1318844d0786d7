"""Classes, functions and objects of a user's own, which a configuration names by a path: `my_package.sources:MySource`.

A process that reads the configuration imports the user's module, also a Beam worker and a pod: it must be installed
there, or on PYTHONPATH.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

from components.spelling import did_you_mean

_NEAR = 0.7
"""Least similarity of a module to a wrong name: a machine has hundreds of modules."""


def is_path(kind: Any) -> bool:
    """Return whether a kind is meant as a path to a user's own class; no kind of BigVocab has a dot or a colon."""
    return isinstance(kind, str) and (":" in kind or "." in kind)


def source_modules(kind: str) -> tuple[str, ...]:
    """Return the user's modules that a kind is made by: `components.code.fingerprint` follows their imports."""
    return (kind.partition(":")[0],) if is_path(kind) else ()


def resolve(path: str, noun: str, fits: Callable[[Any], bool] = inspect.isclass) -> Any:
    """Return the object at a path.

    Args:
        path: `package.module:Name`.
        noun: Word for such an object, for messages.
        fits: Returns whether an object is one.

    Raises:
        ValueError: The path has another form, no module can be imported, or it has no such object. The message does not
            repeat the path.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError(f"not of the form package.module:{noun}")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        near = _near_module(module) if error.name and f"{module}.".startswith(f"{error.name}.") else ""
        raise ValueError(f"{error}; the module has to be installed, or on PYTHONPATH{near}") from error
    except Exception as error:  # A user's module may do anything while it is imported.
        raise ValueError(f"{module} cannot be imported: {type(error).__name__}: {error}") from error
    value = getattr(found, name, None)
    if not fits(value):
        near = did_you_mean(name, [key for key, value in vars(found).items() if fits(value)])
        raise ValueError(f"{module} has no {noun} {name!r}{near}")
    return value


def _near_module(module: str) -> str:
    """Return the nearest spelling of the first part of a module's name that cannot be found."""
    found, path = "", None
    for part in module.split("."):
        names = [info.name for info in pkgutil.iter_modules(path)]
        if part not in names:
            near = did_you_mean(part, names, _NEAR)
            return near.replace("did you mean '", f"did you mean '{found}") if found else near
        found += f"{part}."
        spec = importlib.util.find_spec(found[:-1])
        path = list(spec.submodule_search_locations or ()) if spec else []
    return ""
