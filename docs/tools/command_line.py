"""Page with all commands and options, from the parser of the command line."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator

from docs.tools.cells import cell

_HEAD = """# Command line

Every command and option, from the parser that reads them. `./with-env bigvocab COMMAND --help` prints the same. After
`uv sync` or an installation with pip, `bigvocab` stands alone, without `./with-env`.

[Exit codes](exit-codes.md): 0 done, 1 a run failed, 2 wrong configuration or command, 130 interrupted.
[The terminal](terminal.md): the lines of a run, its progress, and its events as JSON.

"""


def page() -> str:
    """Return the Markdown of the page: a section for each command."""
    from pipeline.cli.app import parser

    return _HEAD + "\n".join(_commands(parser(), "bigvocab", "", 2))


def _commands(parser: argparse.ArgumentParser, name: str, about: str, level: int) -> Iterator[str]:
    """Yield the sections of a command and of its subcommands."""
    groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    arguments = [each for each in parser._actions if each.help != argparse.SUPPRESS and each not in groups]
    arguments = [each for each in arguments if not isinstance(each, argparse._HelpAction)]
    if about or arguments:
        anchor = name.replace(" ", "-")
        usage = textwrap.fill(" ".join(parser.format_usage().split()[1:]), 88, subsequent_indent="    ")
        yield f"{'#' * level} `{name}` {{ #{anchor} }}\n\n{_sentence(about)}\n\n```text\n{usage}\n```\n"
        if text := parser.description if parser.description != about else "":
            yield f"{text}\n"
        if arguments:
            yield "| Argument | Meaning |\n| --- | --- |\n" + "\n".join(map(_row, arguments)) + "\n"
    for group in groups:
        helps = {choice.dest: choice.help or "" for choice in group._choices_actions}
        for each, below in group.choices.items():
            yield from _commands(below, f"{name} {each}", helps.get(each, ""), min(level + bool(about), 6))


def _row(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else _metavar(action)
    names = ", ".join(f"`{option}{' ' if value else ''}{value}`" for option in action.option_strings) or f"`{value}`"
    meaning = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    return f"| {cell(names)} | {cell(_sentence(meaning))} |"


def _metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper().replace("_", "-")


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.)?!`' else '.'}" if text else ""
