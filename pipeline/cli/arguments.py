"""Parser and arguments that the commands share."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from components.files import is_remote
from components.messages.exit_codes import FAILED, INTERRUPTED, WRONG, UserError
from components.messages.spelling import did_you_mean
from components.storage import storage_fault
from pipeline.config.preset_files import DEFAULT_PRESET

if TYPE_CHECKING:
    from pipeline.terminal.output import Output


class Parser(argparse.ArgumentParser):
    """Parser that suggests the nearest command or option for a misspelled one."""

    def error(self, message: str) -> NoReturn:
        """Print the message, with the nearest known command or option, and exit with the code `WRONG`."""
        wrong = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)", message)
        if wrong:
            word = wrong[1] or wrong[2].partition("=")[0]
            known = [name for name in self._known() if name.startswith("-") == word.startswith("-")]
            near = did_you_mean(word, known)
            message = f"this command has no {word}" if word in known else f"unknown: {word}{near}"
        self.exit(WRONG, f"{self.prog}: {message}\n(--help lists the commands and options)\n")

    def _known(self) -> set[str]:
        """Return all commands and options, including the options of the commands.

        The top-level parser needs all of them, because argparse lets it reject the unknown options of a command.
        """
        known: set[str] = set()
        for action in self.every_argument():
            known |= {*action.option_strings, *(action.choices if isinstance(action.choices, dict) else ())}
        return known

    def every_argument(self) -> Iterator[argparse.Action]:
        """Yield the arguments of this parser, and those of its commands."""
        for action in self._actions:
            yield action
            if isinstance(action.choices, dict):
                for parser in action.choices.values():
                    yield from parser.every_argument()


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add `--set`, which collects `KEY=VALUE` settings of the configuration in a list."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as in --set trainer.epochs=2; may be repeated"
    )


def folder(text: str) -> Path:
    """Parse the path of a folder on this machine.

    Raises:
        ArgumentTypeError: The path is in an object store.
    """
    if is_remote(text):
        raise argparse.ArgumentTypeError(f"{text}: a run on this machine needs a local folder")
    return Path(text)


def count(text: str) -> int:
    """Parse a number from 1.

    Raises:
        ArgumentTypeError: The text is no such number.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1")
    return int(text)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add `--verbose` and `--json`, which `output_of` reads."""
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="also show the messages of the log: of BigVocab and TFX from level INFO, of other libraries from WARNING",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print an event per line as JSON instead (started, progress, node, note, warning, finished, failed); "
        "messages for people go to standard error",
    )


def output_of(arguments: argparse.Namespace) -> Output:
    """Return the form of the output from the options of `add_output`."""
    from pipeline.terminal.output import Output  # Imports rich.

    return Output(arguments.json, arguments.verbose)


def add_root(parser: argparse.ArgumentParser, root_type: Callable[[str], str | Path] = folder) -> None:
    """Add the preset and `--root`, which `root_type` parses."""
    add_preset(parser)
    parser.add_argument(
        "--root", type=root_type, metavar="DIR", help="folder for all files of the run (default: runs/<preset>)"
    )


def add_preset(parser: argparse.ArgumentParser) -> None:
    """Add the optional positional argument for a preset or a YAML file."""
    parser.add_argument(
        "preset", nargs="?", default=DEFAULT_PRESET, metavar="PRESET|FILE.yaml", help=f"default: {DEFAULT_PRESET}"
    )


def root_of(arguments: argparse.Namespace) -> Path:
    """Return the root: `--root`, or `runs/` and the name of the preset."""
    return arguments.root or Path("runs") / Path(arguments.preset).stem


def names(text: str) -> list[str]:
    """Split names separated by commas, as in `a,b`."""
    return [name.strip() for name in text.split(",")]


def column_names(text: str) -> list[str]:
    """Split names of columns separated by commas, and ignore empty names."""
    return [name for name in names(text) if name]


@contextlib.contextmanager
def no_place_to_run(root: Path) -> Iterator[None]:
    """Return a context that converts the errors of an unusable root or metadata store to UserError."""
    from pipeline.execution.runner import RootUnusable
    from pipeline.lease.acquisition import RootInUse
    from pipeline.lease.lease import LeaseLost
    from pipeline.metadata.store import MetadataError, StoreUnreachable

    try:
        yield
    except (RootInUse, RootUnusable, LeaseLost, MetadataError, StoreUnreachable) as error:
        raise UserError(str(error), FAILED) from error
    except KeyboardInterrupt:  # While it waited for a sign of life. The run itself reports an interruption.
        raise UserError("interrupted before the start", INTERRUPTED) from None
    except OSError as error:
        fault = storage_fault(error, str(root))
        if fault is None:
            raise
        raise UserError(str(fault), FAILED) from error
