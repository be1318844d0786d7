"""Results of Beam pipelines, which one worker writes to a file and the program that started the pipeline reads.

The files are JSON. The pods of a cluster share the storage, and reading a pickle executes the code in it, so whoever
can write to the storage could execute code in a pod.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import types
import typing
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from components.files import read_text, write_whole

_T = TypeVar("_T")
_SCALARS: tuple[Any, ...] = (types.NoneType, bool, int, float, str)
_MAPPINGS: tuple[Any, ...] = (dict, Counter)
_SHOWN = 60


class DamagedResult(ValueError):
    """Contents of a file that are not the result of a pipeline."""


@dataclass(frozen=True)
class BeamResult(Generic[_T]):
    """File with the result of a Beam pipeline, local or in an object store.

    Integers of any size, infinite numbers and NaN keep their values, and integers remain distinct from floats.

    Attributes:
        path: Path of the file.
        kind: Type of the result: None, a Boolean, number or text; a tuple of fixed length, list, set, dict, Counter,
            union or dataclass of such types. `float` does not include `int`; `int | float` does.
    """

    path: str
    kind: type[_T]

    def write(self, result: Any) -> None:
        """Write the result, from any worker.

        Raises:
            TypeError: The result is not of the type.
        """
        write_whole(self.path, json.dumps(to_plain(result, self.kind)))

    def read(self) -> _T:
        """Return the result.

        Raises:
            DamagedResult: The file holds anything else.
            OSError: The file cannot be read. For a file in an object store, TensorFlow's `OpError`.
        """
        try:
            return from_plain(json.loads(read_text(self.path)), self.kind)
        except (ValueError, RecursionError) as error:
            raise DamagedResult(
                f"{self.path}: not the result of a Beam pipeline: {error}. The file is damaged, or another program "
                "wrote it: check who can write to this folder, and run again"
            ) from error


def to_plain(value: Any, kind: Any) -> Any:
    """Return a value of a type as lists, objects, numbers and texts of JSON.

    A dataclass becomes an object. A dict becomes a list of pairs, because a key may be a tuple.

    Raises:
        TypeError: The value is not of the type.
    """
    origin, arguments = _parts(kind)
    if origin in (typing.Union, types.UnionType):
        for member in arguments:
            with contextlib.suppress(TypeError):
                return to_plain(value, member)
    elif origin in _SCALARS:
        if isinstance(value, origin) and (origin is bool or not isinstance(value, bool)):
            return origin(value) if value is not None else None  # Of NumPy's float64, which is a float, a plain float.
    elif type(value) is origin:
        if dataclasses.is_dataclass(value):
            return {name: to_plain(getattr(value, name), of_field) for name, of_field in _fields(origin).items()}
        if origin is tuple and len(value) == len(arguments):
            return [to_plain(each, of_each) for each, of_each in zip(value, arguments, strict=True)]
        if origin in (list, set):
            return [to_plain(each, arguments[0]) for each in value]
        if origin in _MAPPINGS:
            return to_plain([*value.items()], _pairs(kind))
    raise _wrong(value, kind)


def from_plain(plain: Any, kind: Any, at: str = "result") -> Any:
    """Return the value that `to_plain` converted.

    Args:
        plain: Value from JSON.
        kind: Type of the value.
        at: Place of the value, for messages.

    Raises:
        DamagedResult: `to_plain` returns no such value for this type.
    """
    origin, arguments = _parts(kind)
    make: Callable[..., Any] = origin
    if origin in (typing.Union, types.UnionType):
        for member in arguments:
            with contextlib.suppress(DamagedResult):
                return from_plain(plain, member, at)
    elif origin in _SCALARS:
        if type(plain) is origin:
            return plain
    elif isinstance(plain, dict):
        fields = _fields(origin) if dataclasses.is_dataclass(origin) else {}
        if fields and plain.keys() == fields.keys():
            return make(**{name: from_plain(plain[name], of, f"{at}.{name}") for name, of in fields.items()})
    elif isinstance(plain, list):
        places = [f"{at}[{number}]" for number in range(len(plain))]
        if origin is tuple and len(plain) == len(arguments):
            return tuple(from_plain(*each) for each in zip(plain, arguments, places, strict=True))
        if origin in (list, set):
            return make(from_plain(each, arguments[0], place) for each, place in zip(plain, places, strict=True))
        if origin in _MAPPINGS:
            return make(dict(from_plain(plain, _pairs(kind), at)))
    raise _damaged(plain, kind, at)


def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without its arguments, and the arguments."""
    return typing.get_origin(kind) or kind, typing.get_args(kind)


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    """Return the types of the fields of a dataclass."""
    hints = typing.get_type_hints(kind)
    return {each.name: hints[each.name] for each in dataclasses.fields(kind)}


def _pairs(kind: Any) -> Any:
    """Return the type of the items of a dict or Counter, as a list."""
    key, value = (*typing.get_args(kind), int)[:2]
    return list[tuple[key, value]]


def _wrong(value: Any, kind: Any) -> TypeError:
    return TypeError(f"expected {_name(kind)}, found {_short(value)}")


def _damaged(plain: Any, kind: Any, at: str) -> DamagedResult:
    return DamagedResult(f"{at}: expected {_name(kind)}, found {_short(plain)}")


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."
