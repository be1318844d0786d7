"""Beam's inspection of methods, of which this module keeps the results. Its import is enough.

Reason: For each step of a pipeline, Beam inspects each of the thirty methods of a DoFn about four times. This takes a
    tenth of the CPU time of a run on few data, and of most pods.
Versions: Beam 2.73.
Remove when: Beam keeps the parameters of a method.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

from apache_beam.transforms import core

_KEPT: WeakKeyDictionary[FunctionType, tuple[list[str], list[Any]]] = WeakKeyDictionary()

inspected = core.get_function_args_defaults
"""Beam's function."""


def parameters(function: Callable[..., Any]) -> tuple[list[str], list[Any]]:
    """Return the names and the default values of positional parameters, as Beam's function does.

    The parameters of a method do not depend on its object. Other callables are inspected each time.
    """
    if not isinstance(function, MethodType) or not isinstance(function.__func__, FunctionType):
        return inspected(function)
    if function.__func__ not in _KEPT:
        _KEPT[function.__func__] = inspected(function)
    names, defaults = _KEPT[function.__func__]
    return [*names], [*defaults]


core.get_function_args_defaults = parameters
