"""Views of Beam's pipeline options, of which this module keeps the parsed flags. Its import is enough.

Reason: Beam asks for a view of its options some hundred times for each pipeline. For each view it builds a parser of
    command lines and parses the same flags. This takes a twentieth of the CPU time of a run on few data.
Versions: Beam 2.73.
Remove when: Beam keeps the parsed flags of a view.
"""

from __future__ import annotations

import copy
from argparse import Namespace
from typing import Any
from weakref import WeakKeyDictionary

from apache_beam.options.pipeline_options import PipelineOptions

_KEPT: WeakKeyDictionary[type[PipelineOptions], dict[tuple[str, ...], dict[str, Any]]] = WeakKeyDictionary()

viewed = PipelineOptions.view_as
"""Beam's method."""


def view_as(self: PipelineOptions, cls: type[PipelineOptions]) -> PipelineOptions:
    """Return a view of options as another class, as Beam's method does: both share the values of all options.

    Flags that are those of this process, and classes with a constructor of their own, are parsed each time.
    """
    if self._flags is None or cls.__init__ is not PipelineOptions.__init__:
        return viewed(self, cls)
    kept, flags = _KEPT.setdefault(cls, {}), tuple(self._flags)
    if flags not in kept:
        kept[flags] = vars(cls(self._flags)._visible_options)
    view = cls.__new__(cls)
    view._flags = self._flags
    view._visible_options = Namespace(**kept[flags])
    view._all_options = self._all_options
    for name, value in kept[flags].items():
        if name not in self._all_options:
            # Lists and dictionaries may be changed in place, but only for these options.
            self._all_options[name] = copy.deepcopy(value) if isinstance(value, list | dict) else value
    return view


PipelineOptions.view_as = view_as
