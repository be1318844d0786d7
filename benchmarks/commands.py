"""Commands of `bigvocab bench`, which measure on this machine and print tables."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import yaml
from pydantic import TypeAdapter, ValidationError

from benchmarks import approximate as approximate_answers
from benchmarks import encoders as encoder_arms
from benchmarks import prediction as answers
from benchmarks import sampling as sampling_forms
from benchmarks.basket import measure as basket_measure
from benchmarks.harness.bounds import bound_lines
from benchmarks.harness.machine import Machine, this_machine
from benchmarks.harness.processes import WorkerError
from benchmarks.heads import measure as heads_measure
from benchmarks.heads import report as heads_report
from benchmarks.ingest import measure as ingest_measure
from benchmarks.ingest import report as ingest_report
from benchmarks.ingest import spans as ingest_spans
from benchmarks.ingest.data import CORPUS, WRITERS
from benchmarks.ingest.stage import TARGET as STAGE
from benchmarks.labels import measure as labels_measure
from benchmarks.quality import measure as quality_measure
from benchmarks.quality import report as quality_report
from benchmarks.quality.combinations import COMBINATIONS, DATA
from benchmarks.quality.data import DataError
from benchmarks.serving import measure as serving_measure
from benchmarks.softmax import report
from benchmarks.softmax.grid import Grid, measure
from benchmarks.softmax.results import BATCH, BOUNDS, CLASSES, MANY_CLASSES, Results
from benchmarks.softmax.training import estimate_training, measure_training
from benchmarks.softmax.variants import VARIANTS
from benchmarks.trainings import Data, newest
from components.ingest.errors import IngestError, nearest
from pipeline.config.beam import BeamSpec, option_faults
from pipeline.config.loading import check_files
from pipeline.config.spec import Config
from pipeline.paths import Paths
from pipeline.prediction.model import find_version

TRAINING = "training"


class BenchError(ValueError):
    """Invalid option, described in a sentence."""


@dataclass(frozen=True)
class Options:
    """Options of `bigvocab bench softmax`. None selects the default.

    Attributes:
        only: Names of variants, or `training`.
        batches: Batch sizes: examples per step.
        classes: Numbers of classes.
        rounds: Number of turns of each variant.
        threads: Threads of each process.
        quick: Measure only the most important size, in about a minute.
        check: Check the bounds.
    """

    only: Sequence[str] | None = None
    batches: Sequence[int] | None = None
    classes: Sequence[int] | None = None
    rounds: int | None = None
    threads: int | None = None
    quick: bool = False
    check: bool = False

    def names(self) -> list[str]:
        """Return the names of the variants to measure, and `training`, in the order of the tables.

        Raises:
            BenchError: A name is unknown.
        """
        known = [*VARIANTS, TRAINING]
        if self.only is None:
            return list(VARIANTS) if self.quick and not self.check else known
        return _chosen(self.only, known)

    def grid(self, cores: int) -> Grid:
        """Return the grid of variants and sizes to measure.

        Raises:
            BenchError: A number is too small.
        """
        classes, batches, rounds = (10_000, 25_000, 100_000, 1_000_000), (512, 1_024, 4_096), 7
        if self.quick:
            classes, batches, rounds = (CLASSES,), (BATCH,), 3
        if self.check:
            classes, batches = (CLASSES, MANY_CLASSES), (BATCH,)
        grid = Grid(
            [name for name in self.names() if name != TRAINING],
            sorted(set(self.classes or classes)),
            sorted(set(self.batches or batches)),
            self.rounds if self.rounds is not None else rounds,
            self.threads if self.threads is not None else cores,
        )
        for option, values, least in (
            ("--classes", grid.classes, 100),
            ("--batch", grid.batches, 1),
            ("--rounds", [grid.rounds], 1),
            ("--threads", [grid.threads], 1),
        ):
            if min(values) < least:
                raise BenchError(f"{option} must be at least {least}, not {min(values)}")
        return grid


def softmax(options: Options, out: TextIO, file: Path | None = None) -> int:
    """Measure training steps of the output layer, and print tables. Progress goes to standard error.

    Args:
        options: The variants and sizes to measure.
        out: Receives the tables.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if a variant failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
    """
    machine = this_machine()
    grid, whole = options.grid(machine.cores), TRAINING in options.names()
    _check_folder(file)
    say = _progress()
    seconds = grid.estimate() + (estimate_training(grid.rounds) if whole else 0)
    say(f"this takes about {max(1, round(seconds / 60))} min on two cores that do nothing else")
    results = Results(machine, grid.threads)
    _print(out, [f"{machine}; {grid.threads} thread{'s' if grid.threads > 1 else ''} a process.", ""])
    if grid.variants:
        _print(out, [*report.legend(list(grid.variants)), ""])
        for cell in measure(grid, say):
            results.cells[cell.problem.classes, cell.problem.batch] = cell
            _print(out, [*report.cell_lines(cell), ""])
    if whole:
        classes, batch = (options.classes or [CLASSES])[0], (options.batches or [BATCH])[0]
        results.training = measure_training(classes, batch, grid.rounds, grid.threads, say)
        _print(out, [*report.training_lines(results.training), ""])
    if len(results.cells) > 1:
        _print(out, [*report.overview(results.cells), ""])
    if options.check:
        _print(out, report.bound_lines(results))
    if file:
        file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    for failure in results.failures:
        sys.stderr.write(f"{failure}\n")
    missed = options.check and any(bound.missed(results) for bound in BOUNDS)
    return 1 if missed or results.failures else 0


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
    names = _chosen(only, encoder_arms.ARMS)
    if seeds < 1 or cpu_minutes <= 0:
        raise BenchError("--seeds and --cpu-minutes must be above 0")
    data, machine, say = transformed(config, root), this_machine(), _progress()
    say(f"{len(names) * seeds} trainings of {cpu_minutes:g} CPU minutes each, {machine.cores} at once")
    reached = encoder_arms.compare(data, names, seeds, 60 * cpu_minutes, machine.cores, say)
    about = f"{cpu_minutes:g} CPU minutes each, eval split"
    _print(out, [_heading(machine, seeds, about), "", *encoder_arms.lines(reached)])
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
    forms = _chosen(only, sampling_forms.FORMS)
    if seeds < 1 or steps < 2:
        raise BenchError("--seeds must be above 0 and --steps above 1")
    data, machine, say = transformed(config, root), this_machine(), _progress()
    say(f"trainings of {steps:,} steps, {machine.cores} at once")
    learned = sampling_forms.compare(data, forms, seeds, steps, machine.cores, say)
    about = f"{steps:,} steps of {BATCH:,} examples, eval split"
    _print(out, [_heading(machine, seeds, about), "", *sampling_forms.lines(learned)])
    return 0


def heads(
    only: Sequence[str] | None,
    rounds: int,
    threads: int | None,
    check: bool,
    out: TextIO,
    file: Path | None = None,
    size: heads_measure.Size | None = None,
) -> int:
    """Measure the cost of the forms of a head, and print tables. Progress goes to standard error.

    Args:
        only: Names from `benchmarks.heads.measure.PARTS`. None selects all.
        rounds: Number of turns of each form.
        threads: Threads of each process. None: all cores.
        check: Check the bounds.
        out: Receives the tables.
        file: Receives all figures as JSON.
        size: Sizes of the measurement; None: those of the bounds.

    Returns:
        0, or 1 if a process failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
    """
    parts, machine = _chosen(only, heads_measure.PARTS), this_machine()
    threads = machine.cores if threads is None else threads
    if rounds < 1 or threads < 1:
        raise BenchError("--rounds and --threads must be at least 1")
    _check_folder(file)
    results = heads_measure.Results(machine, threads, replace(size or heads_measure.Size(), rounds=rounds))
    try:
        heads_measure.measure(parts, results, _progress())
    except WorkerError as error:
        sys.stderr.write(f"{error}\n{error.trace}\n")
        return 1
    _print(out, [f"{machine}; {threads} thread{'s' if threads > 1 else ''} a process.", ""])
    _print(out, heads_report.lines(results))
    if check:
        _print(out, heads_report.bound_lines(results))
    if file:
        file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    return 1 if check and any(bound.missed(results) for bound in heads_measure.BOUNDS) else 0


def ingest(
    only: Sequence[str] | None,
    sizes: Sequence[int],
    check: bool,
    out: TextIO,
    file: Path | None = None,
    beam: str = "{kind: local}",
) -> int:
    """Measure the nodes between the source and the Trainer, and print tables. Progress goes to standard error.

    Args:
        only: Names of data. None selects all.
        sizes: Numbers of examples: windows of sequences, or labeled rows. The default corpus has a fixed size.
        check: Check the bounds.
        out: Receives the tables.
        file: Receives all figures as JSON.
        beam: Beam's engine, as the YAML below `beam` in a configuration.

    Returns:
        0, or 1 if a node failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
    """
    names = _chosen(only, WRITERS)
    if not sizes or min(sizes) < 1_000:
        raise BenchError("--sizes must be at least 1,000: the splits of fewer rows may be empty")
    _check_folder(file)
    machine, say = this_machine(), _progress()
    results = ingest_measure.Results(machine, [], [], _engine(beam))
    wanted = [(name, size) for name in names for size in ([0] if name == CORPUS else sorted(set(sizes)))]
    for _ in ingest_measure.measure(STAGE, wanted, machine.cores, say, results):
        if file:  # Written after each size, since large sizes take long.
            file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    _print(out, [f"{machine}.", "", *ingest_report.engine_lines(results), *ingest_report.stage_lines(results)])
    _print(out, ["", *ingest_report.growth_lines(results)])
    if check:
        _print(out, ["", *ingest_report.bound_lines(results)])
    for failure in results.failures:
        sys.stderr.write(f"{failure}\n")
    return 1 if results.failures or (check and ingest_report.missed(results)) else 0


def _engine(text: str) -> dict[str, Any]:
    """Parse and validate the YAML below `beam` in a configuration.

    Raises:
        BenchError: The YAML or an option in it is invalid.
    """
    try:
        found = TypeAdapter(BeamSpec).validate_python(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise BenchError(f"--beam: no YAML: {text}") from error
    except ValidationError as error:
        faults = [": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"]))) for e in error.errors()]
        raise BenchError(f"--beam: {'; '.join(faults)}") from error
    if faults := option_faults(found):
        raise BenchError("; ".join(faults))
    return found.model_dump(mode="json", exclude_none=True)


def spans(only: Sequence[str] | None, older: int, sizes: Sequence[int], out: TextIO, file: Path | None = None) -> int:
    """Measure the cost of a new span in Transform, with and without the cached counts of the older spans.

    Args:
        only: Names from `benchmarks.ingest.spans.DATA`. None selects all.
        older: Number of spans before the new one.
        sizes: Total numbers of examples over all spans. Each size has a table.
        out: Receives the tables.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if a node failed.

    Raises:
        BenchError: An option is invalid.
    """
    if older < 1 or not sizes or min(sizes) < 20_000 * (older + 1):
        raise BenchError(
            "--spans takes one older span or more, and --sizes 20,000 examples for each: splits may be empty"
        )
    _check_folder(file)
    chosen = _chosen(only, ingest_spans.DATA)
    machine, say = this_machine(), _progress()
    found = []
    for size in sorted(set(sizes)):
        results = ingest_spans.Results(machine, [])
        for data in chosen:
            try:
                ingest_spans.measure(STAGE, data, older, size, machine.cores, say, results)
            except WorkerError as error:
                sys.stderr.write(f"{error}\n{error.trace}\n")
                return 1
        found.append(results)
        _print(out, [f"{machine}.", "", *ingest_spans.lines(results)])
    if file:
        file.write_text(json.dumps([results.as_json() for results in found], indent=1) + "\n", encoding="utf-8")
    return 0


def quality(
    names: Sequence[str] | None,
    only: Sequence[str] | None,
    seeds: int,
    cpu_seconds: float,
    root: Path,
    out: TextIO,
    file: Path | None = None,
    quick: bool = False,
) -> int:
    """Train combinations of encoder and head for equal CPU time, and print a table for each data set.

    Progress goes to standard error. If the command is interrupted, the results so far are printed.

    Args:
        names: Names of data sets. None selects all.
        only: Names of combinations. None selects all.
        seeds: Number of trainings of each combination.
        cpu_seconds: CPU time of each training.
        root: Folder for the data. Each data set has its own root there.
        out: Receives the tables.
        file: Receives all figures as JSON, after each training.
        quick: True to use less data: those of `--quick` of the presets.

    Returns:
        0, or 1 if the data could not be prepared or a training failed.

    Raises:
        BenchError: An option is invalid.
        ConfigurationError: A data set cannot be read on this machine.
    """
    chosen = _chosen(only, COMBINATIONS)
    wanted = {data: [n for n in chosen if data in COMBINATIONS[n].data] for data in _chosen(names, DATA, "--data")}
    if seeds < 1 or cpu_seconds <= 0:
        raise BenchError("--seeds and --cpu-seconds must be above 0")
    _check_folder(file)
    for data in wanted:
        for request in quality_measure.requests(data, wanted[data], str(root), quick):
            check_files(request.config())
    machine, say = this_machine(), _progress()
    say(f"this takes about {quality_measure.estimate(wanted, seeds, cpu_seconds, machine.cores):.0f} min of idle cores")
    results = quality_measure.Results(machine, cpu_seconds, seeds)
    about = f"{cpu_seconds:g} CPU seconds each, eval split"
    for data, of_data in wanted.items():
        measured = quality_measure.measure(data, of_data, str(root), quick, say, results)
        try:
            with contextlib.closing(measured):
                for _ in measured:
                    if file:
                        file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
        except DataError as error:
            results.failures.append(str(error))
        finally:  # An interruption too leaves a table of what has ended.
            if data in results.baselines:
                _print(out, [*quality_report.lines(results, data), "", _heading(machine, seeds, about), ""])
    for failure in results.failures:
        sys.stderr.write(f"{failure}\n")
    return 1 if results.failures else 0


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
    _check_folder(file)
    results = basket_measure.Results(this_machine(), validation)
    try:
        basket_measure.measure(results, _progress())
    except IngestError as error:
        raise BenchError(str(error)) from error
    _print(out, [f"{results.machine}.", "", *basket_measure.lines(results)])
    if file:
        file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    return 0


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

    forms = _chosen(only, FORMS)
    _check_folder(file)
    splits = [labels_measure.EVAL, labels_measure.TEST] if test else [labels_measure.EVAL]
    results = labels_measure.Results(this_machine(), splits)
    try:
        for _ in labels_measure.measure(forms, results, _progress()):
            if file:
                file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    except IngestError as error:
        raise BenchError(str(error)) from error
    _print(out, [f"{results.machine}.", "", *labels_measure.lines(results)])
    return 0


def prediction(model: Path | None, sizes: Sequence[int], check: bool, out: TextIO, file: Path | None = None) -> int:
    """Measure `bigvocab predict --input`, and print a table. Progress goes to standard error.

    Args:
        model: Folder of a model, of its versions, or of a run. None: the model pushed last under `runs/`.
        sizes: Numbers of rows.
        check: Check the bounds.
        out: Receives the table.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if the command failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
        PredictError: There is no such model.
    """
    if not sizes or min(sizes) < 1:
        raise BenchError("--sizes must be at least 1")
    _check_folder(file)
    folder, machine = find_version(model), this_machine()
    results = answers.Results(machine, str(folder))
    try:
        answers.measure(folder, sorted(set(sizes)), results, _progress())
    except answers.PredictionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _print(out, [f"{machine}.", "", *answers.lines(results)])
    if check:
        _print(out, ["", *bound_lines(answers.BOUNDS, results)])
    if file:
        file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    return 1 if check and any(bound.missed(results) for bound in answers.BOUNDS) else 0


def serving(
    model: Path | None,
    seconds: float,
    rate: float,
    requests: int,
    check: bool,
    out: TextIO,
    file: Path | None = None,
) -> int:
    """Measure `bigvocab serve` under load, and print a table. Progress goes to standard error.

    Args:
        model: Folder of a model, of its versions, or of a run. None: the model pushed last under `runs/`.
        seconds: Duration of each load.
        rate: Requests per second of the load at a rate.
        requests: Requests after which the memory is measured again; 0: it is not measured.
        check: Check the bounds.
        out: Receives the table.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if the server failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
        PredictError: There is no such model.
    """
    if not (seconds > 0 and rate > 0 and requests >= 0):
        raise BenchError("--seconds and --rate must be greater than 0, and --requests at least 0")
    _check_folder(file)
    folder, machine = find_version(model), this_machine()
    results = serving_measure.Results(machine, str(folder))
    try:
        serving_measure.measure(folder, seconds, rate, requests, results, _progress())
    except serving_measure.ServingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _print(out, [f"{machine}.", "", *serving_measure.lines(results)])
    if check:
        _print(out, ["", *bound_lines(serving_measure.BOUNDS, results)])
    if file:
        file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    return 1 if check and any(bound.missed(results) for bound in serving_measure.BOUNDS) else 0


def _check_folder(file: Path | None) -> None:
    """Check that the figures can be written, before hours of measurement.

    Raises:
        BenchError: The folder of `file` does not exist.
    """
    if file and not file.parent.is_dir():
        raise BenchError(f"--json: {file.parent} is not a folder")


def _chosen(only: Sequence[str] | None, known: Iterable[str], option: str = "--only") -> list[str]:
    """Return the names in `only`, or all known names if `only` is None, in the order of `known`.

    Raises:
        BenchError: A name is unknown.
    """
    names = list(known)
    for name in only or []:
        if name not in names:
            raise BenchError(f"{option}: there is no '{name}'{nearest(name, names)}")
    return names if only is None else [name for name in names if name in only]


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


def _heading(machine: Machine, seeds: int, about: str) -> str:
    return f"{machine}; {seeds} seed{'s' if seeds > 1 else ''}, {about}; each training has one thread."


def _progress() -> Callable[[str], None]:
    """Return a function that writes a message to standard error, with the seconds since this call."""
    started = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - started:5.0f} s] {text}\n")
        sys.stderr.flush()

    return say


def _print(out: TextIO, lines: Iterable[str]) -> None:
    for line in lines:
        out.write(f"{line}\n")
    out.flush()


def approximate(classes: Sequence[int], rounds: int, check: bool, out: TextIO, file: Path | None = None) -> int:
    """Measure exact and approximate answers over many classes, and print a table. Progress goes to standard error.

    Args:
        classes: Numbers of classes.
        rounds: Turns of each form.
        check: Check the bounds.
        out: Receives the table.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
    """
    if not classes or min(classes) < approximate_answers.LEAST:
        raise BenchError(f"--classes must be at least {approximate_answers.LEAST:,}")
    if rounds < 1:
        raise BenchError("--rounds must be at least 1")
    _check_folder(file)
    results = approximate_answers.Results(this_machine())
    approximate_answers.measure(sorted(set(classes)), rounds, results, _progress())
    _print(out, [f"{results.machine}.", "", *approximate_answers.lines(results)])
    if check:
        _print(out, ["", *bound_lines(approximate_answers.BOUNDS, results)])
    if file:
        file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    return 1 if check and any(bound.missed(results) for bound in approximate_answers.BOUNDS) else 0
