"""Classes and functions of a user's own, which a configuration names by a dotted path: `my_package.sources:MySource`.

A section of the configuration with several kinds, including a user's own, is declared once:

    SourceSpec = Annotated[BaseSpec, Kinds(BaseSpec, {"csv": CsvSpec, ...}, spec_at)]

Here `spec_at("my_package.sources:MySource")` returns the user's specification. Every process that reads the
configuration imports the user's module, including Beam workers and pods. The module must be installed there, or on
PYTHONPATH.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import InitErrorDetails, core_schema

from components.messages.spelling import did_you_mean

_Base = TypeVar("_Base")
_Spec = TypeVar("_Spec", bound=BaseModel)
_NEAR = 0.7
"""Least similarity of a module to a wrong name. The threshold is high, because a machine has hundreds of modules."""


def is_path(kind: Any) -> bool:
    """Return True if a kind is a path to a user's own class. No kind of BigVocab has a dot or a colon."""
    return isinstance(kind, str) and (":" in kind or "." in kind)


def source_modules(kind: str) -> tuple[str, ...]:
    """Return the user's own modules that define a kind. `components.code.fingerprint` follows their imports."""
    return (kind.partition(":")[0],) if is_path(kind) else ()


def resolve(path: str, noun: str, fits: Callable[[Any], bool] = inspect.isclass) -> Any:
    """Return the object at a path.

    Args:
        path: Path of the form `package.module:Name`.
        noun: Word for the object, for messages.
        fits: Function that returns True for an acceptable object.

    Raises:
        ValueError: The path has another form, the module cannot be imported, or the module has no such object. The
            message does not repeat the path.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError(f"not of the form package.module:{noun}")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        near = _near_module(module) if error.name and f"{module}.".startswith(f"{error.name}.") else ""
        raise ValueError(f"{error}; the module has to be installed, or on PYTHONPATH{near}") from error
    except (Exception, SystemExit) as error:  # A user's module may raise any exception during its import.
        raise ValueError(f"{module} cannot be imported: {type(error).__name__}: {error}") from error
    value = getattr(found, name, None)
    if not fits(value):
        near = did_you_mean(name, [key for key, value in vars(found).items() if fits(value)])
        raise ValueError(f"{module} has no {noun} {name!r}{near}")
    return value


def resolve_class(path: str, base: type[_Base]) -> type[_Base]:
    """Return the class at a path.

    Args:
        path: Path of the form `package.module:Name`.
        base: Required base class.

    Raises:
        ValueError: See `resolve`. Also if the class is not derived from `base`, or lacks some of its methods.
    """
    found = resolve(path, "class")
    name = path.partition(":")[2]
    if not issubclass(found, base):
        raise ValueError(f"{name} is not derived from {base.__module__}.{base.__name__}")
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        raise ValueError(f"{name} has no {' and no '.join(f'{method}()' for method in missing)}")
    return cast("type[_Base]", found)


def resolve_spec(path: str, base: type[Any], spec_base: type[_Spec], default: type[_Spec] | None = None) -> type[_Spec]:
    """Return the specification of the class at a path: its attribute `Spec`.

    Args:
        path: Path of the form `package.module:Name`.
        base: Required base class of the class.
        spec_base: Required base class of the specification.
        default: Specification of a class whose `Spec` is None. None: the class must have one.

    Raises:
        ValueError: See `resolve_class`. Also if the specification is missing, or not derived from `spec_base`.
    """
    spec = resolve_class(path, base).Spec or default
    if spec is None or not issubclass(spec, spec_base):
        raise ValueError(
            f"{path.partition(':')[2]}.Spec is not derived from {spec_base.__module__}.{spec_base.__name__}"
        )
    return spec


def _near_module(module: str) -> str:
    """Suggest a spelling for the first component of a dotted module name that cannot be found."""
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


class Kinds:
    """Annotation of a configuration section with several kinds. One of its keys selects the kind.

    Validation converts a value to the specification of its kind. Faults are located as the user wrote the keys, for
    example at `data.source.path`; see `pipeline.config.keys`.

    Args:
        base: Base class of all specifications. It has the keys that all kinds share.
        own: Specification of each kind of BigVocab.
        at: Function that returns the specification of a user's own kind by its path. It raises `ValueError` on a fault.
        default: Kind of a value without the key that selects it; None if the key is required.
        tag: Key that selects the kind.
    """

    def __init__(
        self,
        base: type[BaseModel],
        own: Mapping[str, type[BaseModel]],
        at: Callable[[str], type[BaseModel]],
        default: str | None = None,
        tag: str = "kind",
    ) -> None:
        self.base = base
        self.own = own
        self.default = default
        self.tag = tag
        self._at = at

    def kind_of(self, value: Any) -> Any:
        """Return the kind that a value names, or the default."""
        return value.get(self.tag, self.default) if isinstance(value, Mapping) else None

    def spec_of(self, kind: Any) -> type[BaseModel] | None:
        """Return the specification of a kind, or None if the kind is unknown or faulty."""
        try:
            return self._at(kind) if is_path(kind) else self.own.get(kind)
        except (TypeError, ValueError):
            return None

    def keys(self) -> list[str]:
        """Return the keys of all kinds of BigVocab."""
        return list(dict.fromkeys(key for spec in self.own.values() for key in spec.model_fields))

    def validate(self, value: Any) -> BaseModel:
        """Convert a value to the specification of its kind.

        Raises:
            ValidationError: The kind is unknown, or the value has other faults.
        """
        if isinstance(value, self.base):
            if type(value) is not self.base:
                return value
            value = value.model_dump(exclude_unset=True)
        kind = self.kind_of(value)
        if not isinstance(value, Mapping) or (kind is None and self.tag not in value):
            return self._refused(value, {"type": "missing", "loc": (self.tag,), "input": value})
        if isinstance(kind, str) and is_path(kind):
            try:
                spec = self._at(kind)
            except ValueError as error:
                details = InitErrorDetails(type="value_error", loc=(self.tag,), input=kind, ctx={"error": error})
                return self._refused(value, details)
            return spec.model_validate(value)
        if not isinstance(kind, str) or kind not in self.own:
            *others, last = map(repr, self.own)
            expected = {"expected": f"{', '.join(others)} or {last}"}
            return self._refused(value, {"type": "literal_error", "loc": (self.tag,), "input": kind, "ctx": expected})
        spec = self.own[kind]
        # A default kind stays unset, to distinguish it from a kind that the user chose.
        return spec.model_validate(value if spec.model_fields[self.tag].default == kind else {self.tag: kind, **value})

    def _refused(self, value: Any, details: InitErrorDetails) -> BaseModel:
        if not isinstance(value, Mapping):
            return self.base.model_validate(value)  # Raises, with pydantic's own message.
        known = self.keys()
        more = [
            InitErrorDetails(type="extra_forbidden", loc=(str(key),), input=value[key])
            for key in value
            if key not in known and not is_path(self.kind_of(value))
        ]
        raise ValidationError.from_exception_data(self.base.__name__, [details, *more])

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        own = {kind: handler.generate_schema(spec) for kind, spec in self.own.items()}
        # Only the JSON schema uses the union. "any" serializes each value with the fields of its own class, instead of
        # those of the base class.
        return core_schema.no_info_wrap_validator_function(
            lambda value, _: self.validate(value),
            core_schema.tagged_union_schema(own, self.tag),
            serialization=core_schema.simple_ser_schema("any"),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        kind = {"type": "string", "pattern": r"^[\w.]+:\w+$", "description": "Path of a class: `package.module:Name`."}
        path = {"type": "object", "properties": {self.tag: kind}, "required": [self.tag]}
        return {"oneOf": [*handler(schema)["oneOf"], path]}
