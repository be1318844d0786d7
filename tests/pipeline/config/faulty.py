"""Configurations with known faults, drawn from the presets and the JSON schema."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import strategies as st

from pipeline.config.json_schema import text
from pipeline.config.preset_files import PRESETS, preset_names

SCHEMA = json.loads(text())
WITH_KERAS = ("shared_submodel",)
"""Presets whose check imports Keras, which takes seconds."""
SOURCES = [
    {"kind": "csv", "path": "rows.csv", "delimiter": ";"},
    {"kind": "jsonl", "path": "rows.jsonl"},
    {"kind": "parquet", "path": "rows.parquet"},
    {"kind": "text", "path": "texts", "encoding": "latin-1"},
    {"kind": "tfrecord", "path": "rows.tfrecord"},
    {"kind": "sql", "uri": "sqlite:///shop.db", "query": "SELECT 1"},
]
BEAMS = [
    {"kind": "portable", "endpoint": "server:8099", "options": {"max_num_workers": 2}},
    {"kind": "flink", "endpoint": "server:8099"},
    {"kind": "dataflow", "project": "p", "region": "r", "temp_location": "gs://b/t", "image": "i"},
]
METADATA = {"kind": "mysql", "host": "server"}
KUBEFLOW = {"nodes": {"Trainer": {"gpu": {"count": 2}}}, "pod": {"cpu": "2"}}

Path = tuple[str, ...]


@dataclass(frozen=True)
class Twice:
    """Value of a key that stands twice in its mapping."""

    value: Any


@dataclass(frozen=True)
class Fault:
    """Change of a configuration.

    Attributes:
        path: Key that the message must name.
        how: `set`, `remove`, `twice`, or `misspell`, which renames the key above `path` to the last part of `path`.
        value: New value of `set`.
        hides: Keys below this key cannot be checked, because the value or the kind above them is wrong.
    """

    path: Path
    how: str
    value: Any = None
    hides: Path | None = None

    @property
    def key(self) -> str:
        """Key as messages name it. A message about a setting in `quick` names the place before the key."""
        first, *rest = self.path
        return f"quick: unknown key {rest[0]}" if first == "quick" and rest else ".".join(self.path)


def _resolved(schema: Mapping[str, Any], value: Any) -> tuple[Mapping[str, Any], str | None]:
    """Return the schema of a value, and the key that selects the kind if it has several."""
    if "$ref" in schema:
        schema = {**SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], "default": schema.get("default")}
        return _resolved(schema, value)
    if "oneOf" in schema:
        given = value if isinstance(value, Mapping) else schema.get("default") or {}
        choices = [_resolved(choice, None)[0] for choice in schema["oneOf"] if "$ref" in choice]
        for tag in ("kind", "form"):
            for choice in choices:
                field = choice["properties"].get(tag, {})
                kind = given.get(tag, field.get("default"))
                if kind is not None and kind in [field.get("const"), *field.get("enum", [])]:
                    return choice, tag
        raise AssertionError(f"no kind of {given}")
    others = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    if len(others) == 1:
        return _resolved({**others[0], "default": schema.get("default")}, value)
    return schema, None


def _types(schema: Mapping[str, Any]) -> set[str]:
    """Return the types that a schema allows; `choice` and `pattern` for a text that is not free."""
    found: set[str] = set()
    for choice in schema.get("anyOf", [schema]):
        if "$ref" in choice:
            choice = _resolved(choice, None)[0]
        kind = choice.get("type", "any")
        if kind == "string" and ("enum" in choice or "const" in choice):
            kind = "choice"
        elif kind == "string" and "pattern" in choice:
            kind = "pattern"
        found.add(kind)
    return found


def wrong_values(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield values that a field does not accept."""
    types = _types(schema) - {"null"}
    if "any" in types:
        return
    if "object" not in types:
        yield {"zzq": 1}
    if "array" not in types:
        yield from ([], ["a"])
    if types <= {"object", "array"}:
        yield from (3, True)
        yield from ([] if "array" in types else ["text", ""])  # `group_by: user` is short for a list.
    if types <= {"integer", "number", "boolean", "choice", "pattern"}:
        yield from ("not a number", "\x1b[31mred", "zzq " * 400, "[/] {{ 7 * 7 }}")
        if "pattern" not in types:
            yield ""
    if types <= {"integer", "number"}:
        yield from (math.nan, -math.inf)
        if "minimum" in schema:
            yield from (schema["minimum"] - 1, -(10**400))
        if "exclusiveMinimum" in schema:
            yield from (schema["exclusiveMinimum"], -(10**30))
        if "maximum" in schema or "exclusiveMaximum" in schema:
            yield schema.get("maximum", schema.get("exclusiveMaximum")) + 1
        yield math.inf


def _faults(schema: Mapping[str, Any], value: Any, path: Path = ()) -> Iterator[Fault]:
    """Yield single faults of a section and of all sections below it."""
    schema, tag = _resolved(schema, value)
    given = value if isinstance(value, Mapping) else {}
    for name in ("zzq", "épochs", "a b", "knid"):
        yield Fault((*path, name), "set", 1)
    for name, field in schema["properties"].items():
        here, present = (*path, name), name in given
        inner, _ = _resolved(field, given.get(name))
        hides = path if name == tag else here
        for wrong in wrong_values(inner if "properties" in inner or "anyOf" not in field else field):
            if name == "submodel" or (name == "mixture" and isinstance(wrong, str)):
                continue  # The first is checked by Keras. The second is short for a kind, which the message names.
            yield Fault(here, "set", wrong, hides)
        if present:
            yield Fault((*path, f"{name}q"), "misspell", None, hides)
            yield Fault(here, "twice")
            if name in schema.get("required", []):
                yield Fault(here, "remove", None, hides)
        if "properties" in inner:
            yield from _faults(field, given.get(name), here)
        elif isinstance(entries := inner.get("additionalProperties"), Mapping) and present and name != "quick":
            for entry, below in given[name].items():
                if "$ref" in entries and isinstance(below, Mapping):
                    yield from _faults(entries, below, (*here, entry))
    if not path:
        yield Fault(("quick", "trainer.epohcs"), "set", 1)


def _conflict(one: Fault, other: Fault) -> bool:
    def above(fault: Fault, path: Path) -> bool:
        hidden = fault.hides if fault.hides is not None else fault.path
        return path[: len(hidden)] == hidden

    written = {(*fault.path[:-1], fault.path[-1].removesuffix("q")) for fault in (one, other)}
    return len(written) == 1 or above(one, other.path) or above(other, one.path)


@st.composite
def faulty(draw: st.DrawFn, with_keras: bool = False) -> tuple[str, list[Fault]]:
    """Draw the text of a configuration, and its one to five faults."""
    name = draw(st.sampled_from([n for n in preset_names() if with_keras or n not in WITH_KERAS]))
    tree = yaml.safe_load((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))
    for path, values in ((("data", "source"), SOURCES), (("beam",), BEAMS), (("metadata",), [METADATA])):
        if draw(st.booleans()):
            _apply(tree, Fault(path, "set", draw(st.sampled_from(values))))
    if draw(st.booleans()):
        tree["kubeflow"] = copy.deepcopy(KUBEFLOW)
    possible = list(_faults(SCHEMA, tree))
    chosen: list[Fault] = []
    for fault in draw(st.lists(st.sampled_from(possible), min_size=1, max_size=5)):
        if not any(_conflict(fault, other) for other in chosen):
            chosen.append(fault)
    # Those of the deepest keys first, because a value that is repeated is not changed any more.
    for fault in sorted(chosen, key=lambda fault: (fault.how == "twice", -len(fault.path))):
        _apply(tree, fault)
    return written(tree), chosen


def _apply(tree: dict[str, Any], fault: Fault) -> None:
    *above, last = fault.path
    for part in above:
        tree = tree.setdefault(part, {})
        tree = tree.value if isinstance(tree, Twice) else tree
    if fault.how == "set":
        tree[last] = copy.deepcopy(fault.value)
    elif fault.how == "remove":
        del tree[last]
    elif fault.how == "misspell":
        tree[last] = tree.pop(last.removesuffix("q"))
    else:
        tree[last] = Twice(tree[last])


def written(value: Any, indent: str = "") -> str:
    """Return YAML, with a line for each key."""
    if isinstance(value, dict):
        inner = indent + "  "
        entries = []
        for key, child in value.items():
            times = 2 if isinstance(child, Twice) else 1
            child = child.value if isinstance(child, Twice) else child
            entries += [f"{inner}{json.dumps(key)}: {written(child, inner)}"] * times
        return "{\n" + ",\n".join(entries) + "\n" + indent + "}"
    if isinstance(value, list):
        return f"[{', '.join(written(child, indent) for child in value)}]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else json.dumps(value)
