"""Command that removes the artifacts of earlier runs: `bigvocab clean`."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from components.files import is_remote
from components.messages.exit_codes import UserError
from components.messages.formatting import in_bytes, printable
from pipeline.cli.arguments import Parser, add_root, add_settings, count, no_place_to_run, root_of
from pipeline.paths import Paths
from pipeline.terminal.redirection import native_messages_hidden


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    clean = commands.add_parser(
        "clean",
        help="delete the artifacts that no recent run, blessed model or pushed version needs",
        description="Delete the artifacts that none of the newest complete runs, the last blessed model, a pushed "
        "version or a running run needs. A run does so at its end if artifacts.keep is set.",
    )
    add_root(clean, root_type=str)
    add_settings(clean)
    clean.add_argument(
        "--keep", type=count, metavar="N", help="number of newest complete runs (default: artifacts.keep)"
    )
    clean.add_argument("--dry-run", action="store_true", help="list what would be deleted, and delete nothing")
    clean.set_defaults(do=_clean)


def _clean(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import load

    config = load(arguments.preset, arguments.set)
    keep = arguments.keep or config.artifacts.keep
    if keep is None:
        raise UserError("artifacts.keep is not set: name the number of newest complete runs, as in --keep 5")
    root = str(root_of(arguments))
    paths = Paths.of(root)
    if not is_remote(root) and not Path(paths.artifacts).is_dir():
        raise UserError(f"{paths.artifacts} does not exist; `bigvocab run {arguments.preset}` creates it")
    from pipeline.execution import cleaning
    from pipeline.execution.runner import only_run

    free = is_remote(root) or arguments.dry_run
    lock = contextlib.nullcontext() if free else only_run(Path(paths.root), "bigvocab clean", "")
    with no_place_to_run(Path(paths.root)), lock, native_messages_hidden():
        found = cleaning.clean(config, paths, keep, arguments.dry_run)
    if not found.runs:
        print(f"Nothing to delete: {paths.root} has fewer than {keep} complete runs of the pipeline {config.name}")
        return 0
    if arguments.dry_run:
        from pipeline.retention import folders

        for place in [*(artifact.uri for artifact in found.artifacts), *found.others]:
            if size := folders.size(place):  # The folders of TFX's launcher are empty.
                print(f"  {printable(place.removeprefix(f'{paths.root}/'))}  {in_bytes(size)}")
    print(f"{'Would delete' if arguments.dry_run else 'Deleted'}: {cleaning.described(found)}")
    print(f"All artifacts of {found.runs} runs stay")
    return 0
