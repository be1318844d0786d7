"""Beam's inspection of methods, of which this module keeps the results. Its import is enough.

Reason: For each step of a pipeline, Beam inspects each of the thirty methods of a DoFn about four times, and again
    each time it asks if the DoFn has state. This takes more than a tenth of the CPU time of a run on few data, and of
    most pods.
Versions: Beam 2.73.
Remove when: Beam keeps the parameters of a method.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from apache_beam.transforms import core, userstate
from apache_beam.transforms.userstate import StateSpec, TimerSpec

_KEPT: WeakKeyDictionary[FunctionType, tuple[list[str], list[Any]]] = WeakKeyDictionary()
_WITHOUT_STATE: WeakSet[type[core.DoFn]] = WeakSet()

inspected, inspected_state = core.get_function_args_defaults, userstate.get_dofn_specs
"""Beam's functions."""


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


def state(dofn: core.DoFn) -> tuple[set[StateSpec], set[TimerSpec]]:
    """Return the specifications of the state and of the timers of a DoFn, as Beam's function does.

    A class whose methods declare neither is remembered, unless an object has a method of its own.
    """
    if any(isinstance(value, MethodType) for value in vars(dofn).values()):
        return inspected_state(dofn)
    if type(dofn) in _WITHOUT_STATE:
        return set(), set()
    found = inspected_state(dofn)
    if not any(found):
        _WITHOUT_STATE.add(type(dofn))
    return found


core.get_function_args_defaults = parameters
userstate.get_dofn_specs = state
