"""Measurement of the forms of a head: time of a step, time of an answer, and bias of the sampled loss."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.harness.bounds import Bound
from benchmarks.harness.machine import Machine
from benchmarks.harness.processes import Worker, workers
from benchmarks.harness.timing import Spent, Timing, steps_a_turn
from benchmarks.heads import several
from components.layers.losses.names import LossName

_WORKLOADS = "benchmarks.heads.workloads"
PARTS = ("steps", "several", "mixture", "bias")
ENCODERS = ("shared_projection", "session")
PLAIN = "dot, untied"
FORMS: dict[str, dict[str, Any]] = {
    PLAIN: {"similarity": "dot", "tie": False},
    "dot, tied": {"similarity": "dot", "tie": True},
    "cosine, untied": {"similarity": "cosine", "tie": False},
    "cosine, tied": {"similarity": "cosine", "tie": True},
}
SOFTMAX, MIXED = "softmax alone", "with n-grams"
# Steps of a turn at least: a single step of a large model varies more than the forms differ.
LEAST_STEPS = 4


@dataclass(frozen=True)
class Size:
    """Sizes of the measurement. The n-grams of the default are about as many as in the default corpus.

    Attributes:
        classes: Number of classes.
        batch: Examples of a training step, and labels whose bias is measured.
        rows: Numbers of rows that are answered together.
        tokens: Tokens of the synthetic text that is counted.
        most: N-grams to keep of each length.
        negatives: Numbers of negative samples, S, whose bias is measured.
        draws: Draws of each number.
        rounds: Number of turns of each form.
    """

    classes: int = 25_000
    batch: int = 1_024
    rows: tuple[int, ...] = (1, 64, 1_024)
    tokens: int = 2_000_000
    most: int = 1_000_000
    negatives: tuple[int, ...] = (256, 512, 1_024, 2_048, 4_096, 8_192)
    draws: int = 20
    rounds: int = 9


@dataclass(frozen=True)
class Estimate:
    """Mean of several draws, with its standard error."""

    mean: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Estimate the mean of at least two values."""
        return cls(statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values)))


@dataclass(frozen=True)
class Biases:
    """Bias of the sampled loss with S negative samples, in nats.

    Attributes:
        model: Bias of the loss of the softmax.
        mixture: Bias of the loss of the mixture.
    """

    model: Estimate
    mixture: Estimate


@dataclass
class Results:
    """Results of the benchmark. A part that was not measured is empty.

    Attributes:
        machine: Machine of the measurement.
        threads: Threads of each process.
        size: Sizes of the measurement.
        steps: Milliseconds of a training step, by encoder and form.
        several: Milliseconds of a training step of rows with several labels, see `several.Steps`.
        answers: Milliseconds of an answer, by number of rows and by `SOFTMAX` or `MIXED`.
        ngrams: Numbers of n-grams in the mixture, by length from 2.
        bytes: Size of the counts in the mixture.
        exact: Exact losses in nats, of the `model` and of the `mixture`.
        biases: Biases by number of negative samples.
    """

    machine: Machine
    threads: int
    size: Size
    steps: dict[str, dict[str, Timing]] = field(default_factory=dict)
    several: dict[str, dict[str, Timing]] = field(default_factory=dict)
    answers: dict[int, dict[str, Timing]] = field(default_factory=dict)
    ngrams: list[int] = field(default_factory=list)
    bytes: int = 0
    exact: dict[str, float] = field(default_factory=dict)
    biases: dict[int, Biases] = field(default_factory=dict)

    def ratio(self, encoder: str, form: str) -> float | None:
        """Return the CPU time of a form relative to `PLAIN`: the median of the ratios within a round."""
        if encoder not in self.steps:
            return None
        own, plain = (self.steps[encoder][name].cpu for name in (form, PLAIN))
        return statistics.median(a / b for a, b in zip(own, plain, strict=True))

    def as_json(self) -> dict[str, Any]:
        """Return all figures: times in milliseconds, losses in nats, memory in bytes."""
        ratios = {of: {form: self.ratio(of, form) for form in forms} for of, forms in self.steps.items()}
        several_ratios = {
            of: {
                several.arm(loss, labels): several.ratio(self.several, of, loss, labels)
                for loss in several.LOSSES
                for labels in several.LABELS
            }
            for of in self.several
        }
        return {**asdict(self), "ratios": ratios, "several_ratios": several_ratios}


def _of(encoder: str, form: str) -> Callable[[Results], float | None]:
    return lambda results: results.ratio(encoder, form)


def _of_several(loss: LossName) -> Bound[Results]:
    bound = several.bound(loss)
    return Bound(bound.what, bound.sense, bound.limit, lambda results: bound.measured(results.several))


BOUNDS = (
    *(
        Bound(f"CPU time of a step, {encoder}: {form} / {PLAIN}", "at most", 1.10, _of(encoder, form))
        for encoder in ENCODERS
        for form in FORMS
        if form != PLAIN
    ),
    *map(_of_several, several.LOSSES),
)


def measure(parts: Sequence[str], results: Results, say: Callable[[str], None]) -> None:
    """Measure parts of the benchmark, and add the figures to the results.

    Args:
        parts: Names from `PARTS`.
        results: Receives the figures.
        say: Receives progress messages.

    Raises:
        WorkerError: A process failed.
    """
    size, threads = results.size, results.threads
    if "steps" in parts:
        for encoder in ENCODERS:
            say(f"a training step of {encoder}: {len(FORMS)} processes, {size.rounds} rounds")
            arms = {name: {"encoder": encoder, **form} for name, form in FORMS.items()}
            with workers() as running:
                _start(running, "TrainingStep", arms, threads)
                wanted = {"classes": size.classes, "batch": size.batch}
                results.steps[encoder], _ = _take_turns(running, wanted, size.rounds)
    if "several" in parts:
        for workload, (target, options) in several.WORKLOADS.items():
            results.several[workload] = _several(target, options, results, say)
    counted = {"classes": size.classes, "tokens": size.tokens, "most": size.most}
    if "mixture" in parts:
        say(f"the ten most probable classes: 2 processes, {size.rounds} rounds for each number of rows")
        with workers() as running:
            _start(running, "TopTen", {SOFTMAX: {"mixed": False}, MIXED: {"mixed": True}}, threads, counted)
            for rows in size.rows:
                results.answers[rows], about = _take_turns(running, {"rows": rows}, size.rounds)
                results.ngrams, results.bytes = about[MIXED]["ngrams"], about[MIXED]["bytes"]
    if "bias" in parts:
        say(f"the bias of the sampled loss: {size.draws} draws each")
        with workers() as running:
            _start(running, "Bias", {"bias": {"rows": size.batch}}, threads, counted)
            for negatives in size.negatives:
                found = running["bias"].ask(do="prepare", size={"negatives": negatives, "draws": size.draws})
                results.exact = {name: of["exact"] for name, of in found.items()}
                estimates = {name: Estimate.of(of["biases"]) for name, of in found.items()}
                results.biases[negatives] = Biases(**estimates)


def _several(
    target: str, options: Mapping[str, Any], results: Results, say: Callable[[str], None]
) -> dict[str, Timing]:
    """Measure the steps of a workload of `several.WORKLOADS`, by name of the arm."""
    size, steps = results.size, {}
    for loss in several.LOSSES:
        arms = {name: {**options, **arm} for name, arm in several.arms(loss).items() if name not in steps}
        say(f"several labels, {target.partition(':')[2]}, {loss}: {len(arms)} processes, {size.rounds} rounds")
        with workers() as running:
            _start(running, target, arms, results.threads)
            timings, _ = _take_turns(running, {"classes": size.classes, "batch": size.batch}, size.rounds)
            steps.update(timings)
    return steps


def _start(
    running: dict[str, Worker],
    workload: str,
    arms: Mapping[str, Mapping[str, Any]],
    threads: int,
    shared: Mapping[str, Any] | None = None,
) -> None:
    """Start a process for each arm, with the arguments of all arms and its own."""
    for name, options in arms.items():
        arguments = {"threads": threads, **(shared or {}), **options}
        target = workload if ":" in workload else f"{_WORKLOADS}:{workload}"
        running[name] = Worker(target, arguments)
        running[name].send(do="start")
    for worker in running.values():
        worker.receive()


def _take_turns(
    running: Mapping[str, Worker], size: Mapping[str, Any], rounds: int
) -> tuple[dict[str, Timing], dict[str, dict[str, Any]]]:
    """Measure all arms in turns, in another order in each round. Return their times, and their own figures."""
    about = {name: worker.ask(do="prepare", size=dict(size)) for name, worker in running.items()}
    steps = {name: max(LEAST_STEPS, steps_a_turn(worker.turn(1))) for name, worker in running.items()}
    turns: dict[str, list[Spent]] = {name: [] for name in running}
    order, names = random.Random(0), [*running]
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            turns[name].append(running[name].turn(steps[name]))
    return {name: Timing.of(spent) for name, spent in turns.items()}, about
