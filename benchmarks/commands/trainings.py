"""Commands that train on the data of a run: `bigvocab bench encoders` and `sampling`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from benchmarks import encoders as encoder_arms
from benchmarks import sampling as sampling_forms
from benchmarks.commands.common import BenchError, Output, chosen_names, heading, progress
from benchmarks.harness.machine import this_machine
from benchmarks.softmax.results import BATCH
from benchmarks.trainings import Data, newest
from pipeline.config.spec import Config
from pipeline.paths import Paths


def encoders(
    config: Config, root: Path, only: Sequence[str] | None, seeds: int, cpu_minutes: float, out: TextIO
) -> int:
    """Train encoders for equal CPU time on the transformed data of a run, and print their results.

    Args:
        config: Configuration of the run, which describes the columns.
        root: Root folder of the run.
        only: Names of encoders. None selects all.
        seeds: Number of trainings of each encoder.
        cpu_minutes: CPU minutes of each training.
        out: Receives the table.

    Raises:
        BenchError: An option is invalid, or the root has no run.
    """
    names = chosen_names(only, encoder_arms.ARMS)
    if seeds < 1 or cpu_minutes <= 0:
        raise BenchError("--seeds and --cpu-minutes must be above 0")
    data, machine, say = transformed(config, root), this_machine(), progress()
    say(f"{len(names) * seeds} trainings of {cpu_minutes:g} CPU minutes each, {machine.cores} at once")
    reached = encoder_arms.compare(data, names, seeds, 60 * cpu_minutes, machine.cores, say)
    about = f"{cpu_minutes:g} CPU minutes each, eval split"
    Output(out).print([heading(machine, seeds, about), "", *encoder_arms.lines(reached)])
    return 0


def sampling(config: Config, root: Path, only: Sequence[str] | None, seeds: int, steps: int, out: TextIO) -> int:
    """Train with the full and the sampled softmax on the transformed data of a run, and print the results.

    Args:
        config: Configuration of the run, which describes the columns.
        root: Root folder of the run.
        only: Names of the forms of the loss. None selects all; the full softmax is always added.
        seeds: Number of trainings of each form.
        steps: Steps of each training at equal examples.
        out: Receives the tables.

    Raises:
        BenchError: An option is invalid, or the root has no run.
    """
    forms = chosen_names(only, sampling_forms.FORMS)
    if seeds < 1 or steps < 2:
        raise BenchError("--seeds must be above 0 and --steps above 1")
    data, machine, say = transformed(config, root), this_machine(), progress()
    say(f"trainings of {steps:,} steps, {machine.cores} at once")
    learned = sampling_forms.compare(data, forms, seeds, steps, machine.cores, say)
    about = f"{steps:,} steps of {BATCH:,} examples, eval split"
    Output(out).print([heading(machine, seeds, about), "", *sampling_forms.lines(learned)])
    return 0


def transformed(config: Config, root: Path) -> Data:
    """Return the transformed data of a run.

    Args:
        config: Configuration of the run.
        root: Root folder of the run.

    Raises:
        BenchError: The root has no run, or the label is not a class.
    """
    if config.data.label_kind != "class":
        raise BenchError(f"the label of {config.name} is a number: there is no softmax to learn with")
    found = newest(Path(Paths.of(root).artifacts))
    if found is None:
        raise BenchError(
            f"{root} holds no transformed data: run `bigvocab run --root {root}` first, or name another root"
        )
    return Data(*found, config.data.model_dump_json(), config.vocabulary.num_oov_buckets)
