"""Page with all keys of the configuration, from `schemas/bigvocab.schema.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from docs.tools.cells import cell
from docs.tools.repository import ROOT

_HEAD = """# Configuration

Every key of a configuration file, from `schemas/bigvocab.schema.json`, which gives an editor the same texts. A first
line `# yaml-language-server: $schema=schemas/bigvocab.schema.json` switches that on in many editors. `--set KEY=VALUE`
changes one key for one run: `--set trainer.epochs=4`. A key without a default is required.

"""

Tree = Mapping[str, Any]


def page() -> str:
    """Return the Markdown of the page: a section for each key at the top, and one for each object below it."""
    schema = json.loads((ROOT / "schemas" / "bigvocab.schema.json").read_text(encoding="utf-8"))
    parts, simple = [], {}
    for name, tree in schema["properties"].items():
        objects = list(_objects(tree, schema["$defs"]))
        if not objects:
            simple[name] = tree
            continue
        parts.append(f"## `{name}` {{ #{name} }}\n\n{_text(tree)}")
        parts += _sections(name, objects, schema["$defs"], 3, len(objects) > 1)
    return "\n".join([_HEAD, "## At the top { #top }\n", _table("", simple, schema, schema["$defs"]), *parts])


def _sections(path: str, objects: list[Tree], defs: Tree, level: int, several: bool) -> Iterator[str]:
    """Yield the sections of the objects that a key may hold, each followed by those of its keys."""
    for tree in objects:
        kind = tree["properties"].get("kind", {}).get("const", "")
        anchor = f"{path}-{kind}" if several and kind else path
        if several:
            title = f"`{path}`: `{kind}`" if kind else f"`{path}`"
            yield f"{'#' * min(level, 6)} {title} {{ #{anchor} }}\n"
        yield _text(tree)
        yield _table(anchor, tree["properties"], tree, defs)
        for name, below in tree["properties"].items():
            inner = list(_objects(below, defs))
            if not inner:
                continue
            place, many = f"{path}.{name}", len(inner) > 1
            # A mixture or a split is the same under each of several heads: shown once.
            title = f"{'#' * min(level, 6)} `{place}` {{ #{anchor}.{name} }}\n\n{_text(below)}"
            if several and kind:
                title = title.replace(f"`{place}`", f"`{place}` with `{kind}`")
            yield title
            yield from _sections(f"{anchor}.{name}" if not many else place, inner, defs, level + 1, many)


def _table(anchor: str, properties: Tree, owner: Tree, defs: Tree) -> str:
    required = owner.get("required", [])
    lines = ["| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    for name, tree in properties.items():
        objects = bool(list(_objects(tree, defs)))
        key = f"[`{name}`](#{anchor}.{name})" if objects and anchor else f"`{name}`"
        default = "" if name in required or "default" not in tree or objects else f"`{_value(tree['default'])}`"
        default = "*required*" if name in required else default
        lines.append(f"| {key} | {_type(tree, defs)} | {default} | {cell(_text(tree))} |")
    return "\n".join(lines) + "\n"


def _objects(tree: Tree, defs: Tree) -> Iterator[Tree]:
    """Yield the objects with named keys that a key may hold, also as values of a list or of a map."""
    if "$ref" in tree:
        yield from _objects(defs[tree["$ref"].rpartition("/")[2]], defs)
    elif "additionalProperties" in tree and tree.get("properties"):
        yield tree
    else:
        for word in ("anyOf", "oneOf"):
            for each in tree.get(word, ()):
                yield from _objects(each, defs)
        for word in ("items", "additionalProperties"):
            if isinstance(tree.get(word), dict):
                yield from _objects(tree[word], defs)


def _type(tree: Tree, defs: Tree) -> str:
    """Return the type of a value and its bounds, in words."""
    if "$ref" in tree:
        return _type(defs[tree["$ref"].rpartition("/")[2]], defs)
    if "const" in tree:
        return f"`{tree['const']}`"
    if "enum" in tree:
        return ", ".join(f"`{each}`" for each in tree["enum"])
    if options := tree.get("anyOf") or tree.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(each, defs) for each in options))
    kind = tree.get("type", "any value")
    if kind == "array":
        return f"list of {_type(tree.get('items', {}), defs)}"
    if kind == "object":
        more = tree.get("additionalProperties")
        return f"map of {_type(more, defs)}" if isinstance(more, dict) else "object"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    said = ", ".join(f"{sign} {tree[word]:g}" for word, sign in bounds.items() if word in tree)
    kind = {"null": "none", "string": "text"}.get(kind, kind)
    return f"{kind} {said}".strip()


def _value(value: Any) -> str:
    """Return a default as YAML writes it."""
    if value is None:
        return "none"
    return value if isinstance(value, str) and value else json.dumps(value)


def _text(tree: Tree) -> str:
    return str(tree.get("description", "")) + "\n" if tree.get("description") else ""
