"""Command that compares runs or versions: `bigvocab compare`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.messages.exit_codes import UserError
from pipeline.cli.arguments import Parser
from pipeline.terminal.redirection import native_messages_hidden

_STANDARD_OUTPUT = "-"


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    compare = commands.add_parser(
        "compare",
        help="compare runs or versions: settings, metrics with intervals, answers",
        description="Compare runs or versions over the same test rows: the settings that differ, the metrics with "
        "paired intervals, by band and slice, and rows that only one of them answers right. The first one is the one "
        "that the others are compared with.",
    )
    compare.add_argument(
        "places",
        nargs="+",
        metavar="RUN|VERSION|PRESET",
        help="folder of a run, folder of a version (runs/NAME/serving/NUMBER), report folder or summary.json, or a "
        "preset, whose run is in runs/",
    )
    compare.add_argument(
        "--rows",
        metavar="FILE",
        help="file of rows with labels, as for `evaluate` (default: the test rows of the first run)",
    )
    compare.add_argument("--page", type=Path, metavar="FILE.html", help="also write the comparison as one HTML page")
    compare.add_argument(
        "--json", metavar="FILE", help="also write the comparison as JSON; '-': only JSON, to standard output"
    )
    compare.add_argument(
        "--examples",
        type=int,
        default=10,
        metavar="N",
        help="rows that only one of two models answers right, for each of both (default: 10)",
    )
    compare.set_defaults(do=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    if len(arguments.places) < 2:
        raise UserError(
            f"{arguments.places[0]}: name at least two runs or versions, as in: bigvocab compare runs/a runs/b"
        )
    if arguments.examples < 0:
        raise UserError(f"--examples {arguments.examples}: a number from 0")
    from components.files import write_whole
    from components.messages.terminal import Terminal
    from pipeline.cli.prediction.unusable import warn
    from pipeline.comparison import terminal
    from pipeline.comparison.compare import compare
    from pipeline.comparison.sides import sides

    with native_messages_hidden():
        found = compare(sides(arguments.places), arguments.rows, arguments.examples, warn)
    text = found.model_dump_json(indent=2) + "\n"
    if arguments.json == _STANDARD_OUTPUT:
        sys.stdout.write(text)
    elif arguments.json:
        write_whole(arguments.json, text)
    if arguments.page:
        from pipeline.comparison import page

        page.write(found, arguments.page)
    if arguments.json != _STANDARD_OUTPUT:
        out = Terminal(sys.stdout)
        out.write(terminal.shown(found))
        if arguments.page:
            out.write(["", f"As a page: {arguments.page}"])
    return 0
