"""Entry point and commands of `bigvocab`.

Exit codes: 0 for success, 1 if a run failed, 2 for a wrong configuration or command, 130 if interrupted.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from components.files import is_remote
from components.messages import redaction
from components.messages.exit_codes import FAILED, WRONG, UserError
from components.messages.formatting import printable
from components.storage import storage_fault
from pipeline.cli import clean as clean_command
from pipeline.cli import cluster as cluster_commands
from pipeline.cli import completion as completion_command
from pipeline.cli import export as export_command
from pipeline.cli import labels as labels_command
from pipeline.cli import serve as serve_command
from pipeline.cli import tune as tune_command
from pipeline.cli.arguments import (
    Parser,
    add_output,
    add_preset,
    add_root,
    add_settings,
    column_names,
    no_place_to_run,
    output_of,
    root_of,
)
from pipeline.cli.prediction import commands as prediction_commands
from pipeline.cli.results import compare as compare_command
from pipeline.cli.results import runs as runs_command
from pipeline.cli.results import versions as version_commands
from pipeline.cli.setup import init as init_command
from pipeline.config.errors import ConfigurationError
from pipeline.config.preset_files import DEFAULT_PRESET, PRESETS, preset_names, preset_summary
from pipeline.terminal.redirection import drop_output, native_messages_hidden

NEW_OBJECTS = 50_000
"""Number of new objects after which Python looks for unused cycles. TensorFlow creates millions of small objects while
it traces a function, and nearly all of them stay in use. With Python's default of 700, the search takes 9% of the CPU
time of a run on a small data set."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `bigvocab` and return the exit code."""
    gc.set_threshold(NEW_OBJECTS)
    redaction.install()
    arguments = parser().parse_args(argv)
    arguments.command = shlex.join(["bigvocab", *(sys.argv[1:] if argv is None else argv)])
    try:
        return arguments.do(arguments)
    except ConfigurationError as error:
        _print_error(f"Wrong configuration:\n{_indent(str(error))}")
        return WRONG
    except UserError as error:
        _print_error(f"bigvocab: {error}")
        return error.code
    except BrokenPipeError:  # `bigvocab ... | head`
        drop_output(sys.stdout)
        return 0
    except OSError as error:
        fault = storage_fault(error, str(Path.cwd()))
        if fault is None:
            raise
        _print_error(f"bigvocab: {fault}")
        return FAILED


def parser() -> Parser:
    """Return the parser of all commands."""
    found = Parser(prog="bigvocab", description="Train and serve classifiers with a big vocabulary.")
    commands = found.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    run = commands.add_parser("run", help="run the pipeline: ingest, train, evaluate, push")
    _add_configuration(run)
    run.add_argument("--quick", action="store_true", help="a small run of at most two minutes")
    run.add_argument("--span", metavar="N", help="newest span to train on (default: the newest available span)")
    run.add_argument(
        "--infer",
        metavar="FILE|FOLDER|PATTERN",
        help="answer these rows with the pushed model, as `predict --input` does, on the Beam engine of the "
        "configuration: the node BulkInferrer writes files of JSON Lines (inference.path)",
    )
    run.add_argument(
        "--keep",
        type=column_names,
        metavar="COLUMN,...",
        help="with --infer: columns of the rows that the answers have too (inference.keep)",
    )
    add_output(run)
    run.set_defaults(do=_run)

    tune_command.add(commands)
    init_command.add(commands)

    schema = commands.add_parser("schema", help="infer a schema from your own data")
    _add_configuration(schema)
    schema.add_argument("-o", "--output", type=Path, help="default: FILE.schema.pbtxt beside FILE.yaml")
    schema.add_argument("--force", action="store_true", help="overwrite an existing file")
    schema.set_defaults(do=_schema, quick=False)

    prediction_commands.add(commands)
    serve_command.add(commands)
    version_commands.add(commands)
    labels_command.add(commands)
    export_command.add(commands)
    clean_command.add(commands)
    compare_command.add(commands)
    runs_command.add(commands)

    report = commands.add_parser("report", help="print the metrics of the last run, and the path of its report")
    add_root(report)
    report.add_argument(
        "--follow", action="store_true", help="serve the curves of a training on this machine while it runs"
    )
    report.add_argument("--port", type=int, default=0, help="port of --follow (default: a free one)")
    report.set_defaults(do=_report)

    tensorboard = commands.add_parser("tensorboard", help="watch the training")
    add_root(tensorboard)
    tensorboard.add_argument("--port", type=int, default=6006, help="default: 6006")
    tensorboard.add_argument("--host", default="localhost", help="default: localhost; 0.0.0.0 opens it to the network")
    tensorboard.set_defaults(do=_tensorboard)

    doctor = commands.add_parser("doctor", help="check this machine, and print how to fix each fault")
    add_preset(doctor)
    doctor.add_argument("--root", type=Path, default=Path("runs"), help="folder for the runs (default: runs)")
    add_settings(doctor)
    doctor.set_defaults(do=_doctor)

    cluster_commands.add(commands)
    # Imported by name: the benchmarks depend on the pipeline, and the pipeline must not depend on the benchmarks.
    importlib.import_module("benchmarks.cli").add(commands)

    presets = commands.add_parser("presets", help="list the presets")
    presets.add_argument("name", nargs="?", metavar="PRESET", help="print this preset's file")
    presets.set_defaults(do=_presets)
    completion_command.add(commands, found)
    return found


def _add_configuration(parser: argparse.ArgumentParser) -> None:
    add_root(parser)
    add_settings(parser)


def _run(arguments: argparse.Namespace) -> int:
    settings = [*arguments.set, *([f"data.span={arguments.span}"] if arguments.span else [])]
    if arguments.infer:
        # Relative to the working directory; a path in the configuration is relative to its file.
        path = arguments.infer if is_remote(arguments.infer) else str(Path(arguments.infer).expanduser().absolute())
        settings.append(f"inference.path={json.dumps(path)}")
    if arguments.keep:
        settings.append(f"inference.keep={json.dumps(arguments.keep)}")
    # Commands import what they need, so that `--help` and `presets` start at once.
    from pipeline.config.loading import check_files, load

    config = load(arguments.preset, settings, arguments.quick)
    check_files(config)
    from pipeline.execution import runner

    with no_place_to_run(root_of(arguments)):
        return runner.run(config, root_of(arguments), arguments.command, output_of(arguments))


def _schema(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import check_files, load

    config = load(arguments.preset, arguments.set)
    check_files(config, schema_needed=False)
    output = arguments.output or Path(config.data.schema_file or Path(arguments.preset).with_suffix(".schema.pbtxt"))
    if output.exists() and not arguments.force:
        raise UserError(f"{output} exists; --force overwrites it")
    from pipeline.cli.setup import schema

    with no_place_to_run(root_of(arguments)):
        return schema.write(config, root_of(arguments), output)


def _report(arguments: argparse.Namespace) -> int:
    if arguments.follow:
        from pipeline.cli.results.follow import follow

        return follow(root_of(arguments), arguments.port, sys.stdout)
    page, summary = (root_of(arguments) / "report" / name for name in ("report.html", "summary.json"))
    if not summary.exists():
        raise UserError(f"{summary} does not exist; `bigvocab run {arguments.preset}` writes it")
    from components.messages.terminal import Terminal
    from pipeline.terminal import show

    terminal = Terminal(sys.stdout)
    terminal.write(show.stored(summary))
    terminal.write(["", f"As a page: {page}"])
    return 0


def _tensorboard(arguments: argparse.Namespace) -> int:
    logs = root_of(arguments) / "tensorboard"
    if not logs.exists():
        raise UserError(f"{logs} does not exist; `bigvocab run {arguments.preset}` creates it")
    if any(logs.glob("*/plugins/profile")) and importlib.util.find_spec("xprof") is None:
        print("The tab Profile needs the package xprof: install bigvocab[profile]", file=sys.stderr)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs)]
    command += ["--host", arguments.host, "--port", str(arguments.port)]
    os.execv(sys.executable, command)


def _doctor(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import check_files, load

    config = load(arguments.preset, arguments.set)
    if arguments.preset != DEFAULT_PRESET:  # A broken installation lacks the default corpus, and is diagnosed.
        check_files(config, schema_needed=False)
    from pipeline.cli.setup import doctor

    with native_messages_hidden():
        return doctor.examine(arguments.root, sys.stdout, config)


def _presets(arguments: argparse.Namespace) -> int:
    if arguments.name:
        from pipeline.config.loading import load

        load(arguments.name)
        print((PRESETS / f"{arguments.name}.yaml").read_text(encoding="utf-8"), end="")
        return 0
    from rich.text import Text

    from components.messages.terminal import Terminal

    terminal = Terminal(sys.stdout)
    width = max(map(len, preset_names()))
    for name in preset_names():
        terminal.line(Text(f"{name:<{width}}  ", "bold"), preset_summary(name))
    return 0


def _print_error(text: str) -> None:
    print(printable(redaction.redacted(text), "\n"), file=sys.stderr)


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
