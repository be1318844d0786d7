"""Commands for a pushed model: `bigvocab predict` and `evaluate`."""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from components.messages.exit_codes import INTERRUPTED, UserError
from pipeline.cli.arguments import Parser, column_names
from pipeline.terminal.redirection import native_messages_hidden

_KINDS = "JSON Lines, CSV, TSV, Parquet, TFRecord or text, by its name; '-': JSON Lines from standard input"


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    predict = commands.add_parser("predict", help="predict with a pushed model")
    predict.add_argument("text", nargs="*", metavar="TEXT", help="input as text")
    predict.add_argument(
        "--input",
        metavar="FILE",
        help=f"file of rows: {_KINDS}. Columns that the model does not use are ignored. The output has one line of "
        "JSON per row, in order; null for an unusable row, with the reason on standard error. Exit code 0 if any row "
        "has an answer, 1 if none has",
    )
    predict.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write the answers to FILE.jsonl, FILE.csv or FILE.parquet, which appears only when it is complete, and "
        "the reasons for unusable rows to FILE.errors.jsonl beside it",
    )
    predict.add_argument(
        "--keep",
        type=column_names,
        default=[],
        metavar="COLUMN,...",
        help="columns of the rows that the answers have too",
    )
    add_model(predict)
    predict.add_argument("--top", type=int, metavar="N", help="number of labels per answer (default: 10)")
    predict.add_argument(
        "--chosen",
        action="store_true",
        help="with several labels per row: answer the labels that the threshold of the model chooses, at most --top",
    )
    predict.add_argument(
        "--feature",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a feature for every TEXT; may be repeated",
    )
    predict.set_defaults(do=_predict)

    evaluate = commands.add_parser("evaluate", help="measure a pushed model on rows with labels")
    evaluate.add_argument(
        "file",
        metavar="FILE",
        help=f"file of rows with their labels: {_KINDS}. An unusable row is not measured, and standard error shows "
        "the reason. Exit code 0 if any row was measured, 1 if none was",
    )
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="also write the metrics to FILE, in the form of a run's summary.json, and the reasons for unusable rows "
        "to FILE.errors.jsonl; '-': only JSON, to standard output",
    )
    add_model(evaluate)
    evaluate.set_defaults(do=_evaluate)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, the place of a pushed model."""
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="folder of a model, of its versions, or of a run (default: the model pushed last under runs/)",
    )


def _predict(arguments: argparse.Namespace) -> int:
    if bool(arguments.text) == bool(arguments.input):
        raise UserError('give either TEXT or --input FILE.jsonl, as in: bigvocab predict "the state of the"')
    from pipeline.cli.prediction import predict

    return _asked(
        lambda: predict.predict(
            arguments.model, arguments.text, arguments.input, arguments.top, arguments.feature, sys.stdout,
            arguments.output, arguments.keep, arguments.chosen,
        ),
        "utf-8" if arguments.input else None,  # JSON is UTF-8 even if the terminal is not.
    )  # fmt: skip


def _evaluate(arguments: argparse.Namespace) -> int:
    from pipeline.cli.prediction import evaluate

    return _asked(lambda: evaluate.evaluate(arguments.model, arguments.file, sys.stdout, arguments.output))


def _asked(ask: Callable[[], int], encoding: str | None = None) -> int:
    """Run a prediction or an evaluation and return the exit code. An interruption removes unfinished files.

    Args:
        ask: Function that writes to standard output and returns the exit code.
        encoding: Encoding of standard output. None: the encoding of the terminal.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Text that is not valid Unicode is written with escapes.
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # KeyboardInterrupt removes unfinished files.
    try:
        with native_messages_hidden():
            return ask()
    except KeyboardInterrupt:
        print("bigvocab: interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
