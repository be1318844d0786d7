"""Writes `schemas/bigvocab.schema.json`, the configuration's JSON schema, for editors and checkers of YAML files."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from pipeline.config.spec import Config

FILE = Path(__file__).parents[2] / "schemas" / "bigvocab.schema.json"


def text() -> str:
    """Return the content of the schema file, as JSON with an indent of two spaces."""
    described = Config.model_json_schema(schema_generator=_Described)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


class _Described(GenerateJsonSchema):
    """Generator that describes each key by the docstring of its attribute.

    Pydantic does so with `use_attribute_docstrings`, but reads the source of every class when it is defined: a fifth of
    the time in which a configuration is loaded.
    """

    def model_schema(self, schema: Any) -> dict[str, Any]:
        found = super().model_schema(schema)
        for base in schema["cls"].__mro__[:-1]:
            for name, text in attribute_docstrings(base).items():
                if name in found.get("properties", {}):
                    found["properties"][name].setdefault("description", text)
        return found


def attribute_docstrings(cls: type) -> dict[str, str]:
    """Return the docstrings of the attributes of a class, by name, without those of its bases."""
    if cls.__module__.partition(".")[0] == "pydantic":
        return {}
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for statement, after in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match after:
                case ast.Expr(ast.Constant(str(text))):
                    found[statement.target.id] = inspect.cleandoc(text)
    return found


def main() -> int:
    """Write the schema file, or only compare it if `--check` is given.

    Returns:
        0, or 1 if the compared file is out of date.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the file is up to date")
    if not parser.parse_args().check:
        FILE.write_text(text(), encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != text():
        print(f"{FILE} is not up to date: python -m pipeline.config.json_schema", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
