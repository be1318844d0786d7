"""Command `bigvocab init`, which writes a first configuration and a schema for a file or folder."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from components.messages.exit_codes import UserError


def add(commands: Any) -> None:
    """Add the command to the parser."""
    init = commands.add_parser("init", help="write a first configuration and a schema for your own files")
    init.add_argument("path", type=Path, metavar="FILE", help="file or folder of the rows")
    init.add_argument("-o", "--output", type=Path, help="configuration to write (default: NAME.yaml, after FILE)")
    init.add_argument("--force", action="store_true", help="overwrite existing files")
    init.set_defaults(do=_init)


def _init(arguments: argparse.Namespace) -> int:
    path: Path = arguments.path
    output = arguments.output or Path(f"{_name(path)}.yaml")
    schema_file = output.with_suffix(".schema.pbtxt")
    if existing := [str(file) for file in (output, schema_file) if file.exists() and not arguments.force]:
        raise UserError(f"{' and '.join(existing)} exists already; --force overwrites it")
    from components.files import write_whole
    from pipeline.config.loading import loads
    from pipeline.init.profile import profiles
    from pipeline.init.roles import choose
    from pipeline.init.sampling import sample
    from pipeline.init.writing import configuration, schema
    from pipeline.terminal.redirection import native_messages_hidden

    with native_messages_hidden():
        found = sample(path)
    columns = profiles(found.rows)
    choice = choose(found, columns)
    output.parent.mkdir(parents=True, exist_ok=True)
    text = configuration(_name(output), found, choice, output.parent)
    data = loads(text).data
    write_whole(str(output), text)
    write_whole(str(schema_file), schema(data, columns))
    sys.stdout.write(f"{text}\nWritten: {output} and {schema_file}\n")
    sys.stdout.write(f"Next: bigvocab run {output}\n")
    return 0


def _name(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", path.resolve().name.split(".")[0]).strip("_") or "mine"
