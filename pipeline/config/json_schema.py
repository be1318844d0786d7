"""Writes `schemas/bigvocab.schema.json`, the configuration's JSON schema, for editors and checkers of YAML files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pipeline.config.spec import Config

FILE = Path(__file__).parents[2] / "schemas" / "bigvocab.schema.json"


def text() -> str:
    """Return the content of the schema file, as JSON with an indent of two spaces."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


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
