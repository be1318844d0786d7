"""Command that prints a script of completions for a shell: `bigvocab completion`."""

from __future__ import annotations

import argparse

from pipeline.cli.arguments import Parser
from pipeline.config.preset_files import preset_names

SHELLS = ("bash", "zsh", "fish")
_PATHS = ("FILE", "DIR", "FOLDER")
"""Words in the name of an argument that takes the path of a file or a folder."""


def add(commands: argparse._SubParsersAction[Parser], parser: Parser) -> None:
    """Add the command, which completes the commands of a parser."""
    completion = commands.add_parser(
        "completion",
        help="print the script that completes commands, options and presets in a shell",
        description="Print the script that completes commands, options, presets and files. "
        'bash: eval "$(bigvocab completion bash)" in ~/.bashrc. '
        'zsh: bigvocab completion zsh > "${fpath[1]}/_bigvocab". '
        "fish: bigvocab completion fish > ~/.config/fish/completions/bigvocab.fish.",
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    completion.set_defaults(do=lambda arguments: print(script(parser, arguments.shell)) or 0)


def script(parser: Parser, shell: str) -> str:
    """Return the script of completions of a parser for a shell."""
    import shtab

    presets = " ".join(preset_names())
    functions = {
        "bash": f'_bigvocab_presets() {{ compgen -W \'{presets}\' -- "$1"; compgen -f -- "$1"; }}',
        "zsh": f"_bigvocab_presets() {{ _alternative 'presets:preset:({presets})' 'files:file:_files' }}",
        "fish": (
            f"function _bigvocab_presets; string split ' ' '{presets}'; __fish_complete_path (commandline -ct); end"
        ),
    }
    of_presets = {"bash": "_bigvocab_presets", "zsh": "_bigvocab_presets", "fish": "(_bigvocab_presets)"}
    for action in parser.every_argument():
        name = str(action.metavar or "")
        if "PRESET" in name:
            action.complete = of_presets  # type: ignore[attr-defined]  # shtab reads it
        elif any(word in name for word in _PATHS):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(parser, shell, preamble={shell: functions[shell]})  # pyright: ignore[reportArgumentType]
