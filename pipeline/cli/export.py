"""Command that writes a pushed model as files of other programs: `bigvocab export`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.messages.exit_codes import UserError
from components.messages.formatting import in_bytes
from pipeline.cli.arguments import Parser, add_root, root_of
from pipeline.config.preset_files import DEFAULT_PRESET
from pipeline.terminal.redirection import native_messages_hidden

if TYPE_CHECKING:
    from components.conversion.export import Exported

_BESIDE = {
    "mixture": "The files do not hold the n-gram counts that the model also mixes into its answers "
    "(trainer.head.mixture)",
    "repeats": "The files do not hold the bonus of the classes in a row's own history (trainer.head.repeats)",
}


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    export = commands.add_parser(
        "export",
        help="write a pushed model as vectors for a vector database, or as ONNX",
        description="Write the newest pushed model as files of other programs: its class vectors and vocabularies "
        "(npz), or the model from ids to the most probable classes (onnx). The files are compared with the model on "
        "real rows, and are only written if they agree.",
    )
    add_root(export)
    export.add_argument(
        "--model", type=Path, metavar="DIR", help="folder of a model, of its versions, or of a run (in place of --root)"
    )
    export.add_argument("--format", choices=("npz", "onnx"), default="npz", help="default: npz")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="new folder for the files")
    export.add_argument(
        "--rows",
        metavar="FILE",
        help="rows for the comparison, as for `predict --input` (default: the test split of the run)",
    )
    export.set_defaults(do=_export)


def _export(arguments: argparse.Namespace) -> int:
    if arguments.model and (arguments.root or arguments.preset != DEFAULT_PRESET):
        raise UserError("give either --model, or a preset or --root")
    place = arguments.model or root_of(arguments)
    if not arguments.model and not place.is_dir():
        raise UserError(f"{place} does not exist; `bigvocab run {arguments.preset}` creates it")
    from pipeline.prediction.model import find_version

    version = find_version(place)
    with native_messages_hidden():
        from components.conversion.export import export

        exported = export(version, arguments.format, arguments.output, arguments.rows)
    print("\n".join(_lines(exported)))
    return 0


def _lines(exported: Exported) -> Iterator[str]:
    """Yield the lines about an export."""
    form = f", opset {exported.opset}" if exported.opset else ""
    yield f"{exported.file}: {in_bytes(exported.size)}{form}, {exported.classes:,} classes of width {exported.width}"
    if exported.difference is not None:
        yield f"  onnxruntime and TensorFlow differ by at most {exported.difference:.1g}"
    found, rows = exported.comparison, f"{exported.rows:,} rows of {exported.origin}"
    if found.difference is not None:
        yield f"  compared with the model on {rows}: probabilities differ by at most {found.difference:.1g}"
        return
    yield f"  compared with the model on {rows}: {found.agreement:.1%} of its first 10 labels are the same"
    if exported.beside:
        yield f"  {_BESIDE[exported.beside]}"
    if exported.approximate:
        yield "  The model answers by an approximate search, and the files hold all classes"
