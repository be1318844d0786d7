"""Commands that measure grocery transactions: `bigvocab bench next-basket` and `labels`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from benchmarks.basket import measure as basket_measure
from benchmarks.commands.common import BenchError, Output, chosen_names, progress
from benchmarks.harness.machine import this_machine
from benchmarks.labels import measure as labels_measure
from components.ingest.errors import IngestError


def next_basket(validation: bool, out: TextIO, file: Path | None = None) -> int:
    """Measure the prediction of the next basket, and print a table. Progress goes to standard error.

    Args:
        validation: Predict the basket before the last, to choose settings, instead of the last basket.
        out: Receives the table.
        file: Receives all figures as JSON.

    Returns:
        0.

    Raises:
        BenchError: An option is invalid, or the package with the transactions is not installed.
    """
    output = Output(out, file)
    results = basket_measure.Results(this_machine(), validation)
    try:
        basket_measure.measure(results, progress())
    except IngestError as error:
        raise BenchError(str(error)) from error
    return output.finish(results, basket_measure.lines(results))


def labels(only: Sequence[str] | None, test: bool, out: TextIO, file: Path | None = None) -> int:
    """Measure the features of labels on grocery transactions, and print tables. Progress goes to standard error.

    Args:
        only: Names from `benchmarks.labels.training.FORMS`. None selects all.
        test: Measure the test split too.
        out: Receives the tables.
        file: Receives all figures as JSON, after each training.

    Returns:
        0.

    Raises:
        BenchError: An option is invalid, or the package with the transactions is not installed.
    """
    from benchmarks.labels.training import FORMS  # Imports TensorFlow, whose threads start with the import.

    forms = chosen_names(only, FORMS)
    output = Output(out, file)
    splits = [labels_measure.EVAL, labels_measure.TEST] if test else [labels_measure.EVAL]
    results = labels_measure.Results(this_machine(), splits)
    try:
        for _ in labels_measure.measure(forms, results, progress()):
            output.save(results.as_json)
    except IngestError as error:
        raise BenchError(str(error)) from error
    output.print([f"{results.machine}.", "", *labels_measure.lines(results)])
    return 0
