"""Evaluation of a pushed model on a file of rows with labels."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import TextIO

from components.inference.errors import PredictError
from components.inference.model import PushedModel
from components.inference.rows.questions import Questions
from components.inference.rows.reading import name_of_file
from components.messages.exit_codes import FAILED
from components.messages.progress import Progress
from components.messages.terminal import Terminal
from components.report.summary import FORMAT, Summary
from pipeline.cli.prediction.answer_files import STANDARD_OUTPUT, answers_to
from pipeline.cli.prediction.unusable import Unusable, warn
from pipeline.prediction.evaluation import Evaluation
from pipeline.prediction.model import find_version
from pipeline.terminal import show


def evaluate(model: Path | None, file: str, out: TextIO, output: Path | None = None) -> int:
    """Measure a pushed model on the labels of a file, over all classes, and print the same table as a run.

    In shape `sequence`, every token after the first of a row is a label. Standard error shows the first unusable rows,
    such as those without a label, with the reasons. Memory use does not grow with the number of rows.

    Args:
        model: Folder of a model, or of its versions. None: the model pushed last under `runs/`.
        file: File of rows with labels. `-` is standard input.
        out: Stream for the table.
        output: File for the metrics, as a `Summary` with the further keys `model` and `rows`. The file is complete or
            absent. `-` writes the metrics to `out`, in place of the table.

    Returns:
        0: all usable rows were measured.

    Raises:
        PredictError: No model exists, or the file cannot be read or written. With exit code `FAILED`: the file is
            damaged, or none of its rows is usable.
    """
    start = time.monotonic()
    pushed = PushedModel(find_version(model))
    name = name_of_file(file)
    if output and output.is_file() and Path(file).exists() and output.samefile(file):
        raise PredictError(f"--output {output}: this is the file of rows; choose another one")
    with answers_to(output, out) as place:
        evaluation, unusable, read = Evaluation(pushed, warn), Unusable(place, "are not measured", "row"), 0
        reader = Questions(pushed.data, warn, labelled=True, model=pushed.folder)
        questions, total = reader.of_file(file, option=""), reader.rows_of_file(file)
        progress = Progress("evaluate", total, "rows") if total else None
        for batch, outputs in pushed.sums(questions):
            for question in batch:
                read += 1
                if question.example is None:
                    unusable.add(read, question)
            evaluation.add(batch, outputs)
            if progress:
                progress.update(read)
        if progress:
            progress.close()
        unusable.summarize(read, name, "rows")
        if not read:
            raise PredictError(f"{name} has no rows: nothing to measure", FAILED)
        summary = Summary.model_validate(
            {
                "format": FORMAT,
                "name": name,
                "finished": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - start, 3),
                "model": str(pushed.folder),
                "rows": {"read": read, "measured": read - unusable.count, "unusable": unusable.count},
                **evaluation.section(),
            }
        )
        if output:
            place.write(summary.model_dump_json(indent=2, exclude_unset=True).encode() + b"\n")
    if str(output) != STANDARD_OUTPUT:
        terminal = Terminal(out)
        terminal.write(show.metrics(summary, name))
        terminal.write(show.slices(summary))
        terminal.write(
            ["", f"Model: {pushed.folder}. Its baselines are counted on the train split, so only a run has them."]
        )
    return 0
