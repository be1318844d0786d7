"""Command for the labels of a pushed model: `bigvocab labels add`."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.cli.arguments import Parser


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    labels = commands.add_parser("labels", help="add labels to a pushed model, without training")
    actions = labels.add_subparsers(required=True, metavar="ACTION", parser_class=Parser)
    added = actions.add_parser(
        "add",
        help="publish a new version that also answers the new labels of a file",
        description="Publish a new version of a pushed model that also answers the labels of a file which the model "
        "does not know yet. The model must have been trained with features of labels (`labels`) and without a mixture "
        "(`trainer.head.mixture: none`). The vector of a new label follows from its features alone. As an input, the "
        "label remains unknown until the next training.",
    )
    added.add_argument("model", type=Path, metavar="DIR", help="folder of a version, of all versions, or of a run")
    added.add_argument("file", metavar="FILE.csv", help="labels with their features, in the columns of `labels.file`")
    added.set_defaults(do=_add)


def _add(arguments: argparse.Namespace) -> int:
    from components.messages.exit_codes import UserError
    from pipeline.prediction.model import find_version
    from pipeline.terminal.redirection import native_messages_hidden

    version = find_version(arguments.model)
    if not version.name.isdecimal():
        raise UserError(f"{version} is no version of a pushed model, whose folder has a number as its name")
    with native_messages_hidden():
        from components.pushing.new_labels import add_labels

        added = add_labels(version, arguments.file)
    unknown = f"; {added.without_features:,} of them have no feature that training has seen" * bool(
        added.without_features
    )
    print(f"Added {len(added.labels):,} labels to version {version.name}{unknown}")
    print(f"Published as {added.version}. Model servers load it next. To undo: bigvocab rollback {version.name}")
    return 0
