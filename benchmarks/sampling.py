"""Comparison of the sampled and the full softmax by model quality, at equal examples and at equal CPU time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.encoders import CONCATENATION
from benchmarks.harness.tables import table
from benchmarks.trainings import Data, Reached, Training, spread, train_all

FULL = "full"
FORMS = (FULL, "own", "shared")
# If the best rate is the lowest or the highest, `compare` also tries the next rate beyond it.
RATES = (3e-3, 6e-3, 1.2e-2)


@dataclass(frozen=True)
class Learned:
    """Results of the trainings with one form of the loss.

    Attributes:
        rates: nll with the first seed, by learning rate.
        equal_examples: One result for each seed, at the best learning rate.
        equal_time: The same with the CPU time of the full softmax. Empty for the full softmax itself.
    """

    rates: Mapping[float, float]
    equal_examples: Sequence[Reached]
    equal_time: Sequence[Reached]


def compare(
    data: Data, forms: Sequence[str], seeds: int, steps: int, at_once: int, say: Callable[[str], None]
) -> dict[str, Learned]:
    """Find the best learning rate of each form, then train with that rate from each seed.

    The encoder is the plain concatenation of the last ten inputs. The forms differ in the head, and with this encoder
    the head takes most of a step.

    Args:
        data: Data to train on.
        forms: Names from `FORMS`. The full softmax is always added.
        seeds: Number of seeds.
        steps: Steps of each training at equal examples.
        at_once: Number of concurrent trainings.
        say: Receives progress messages.

    Raises:
        RuntimeError: A training failed.
    """
    forms = [form for form in FORMS if form in {FULL, *forms}]

    def training(form: str, rate: float, seed: int, **length: Any) -> Training:
        trainer = {"model": CONCATENATION, "head": {"form": form}, "learning_rate": rate}
        return Training(f"{form}, learning rate {rate:g}", trainer, seed, **length)

    tried: dict[str, dict[float, Reached]] = {form: {} for form in forms}
    wanted = [(form, rate) for form in forms for rate in RATES]
    while wanted:
        # `forms` starts with the full softmax, which takes longest: no long training then starts last.
        results = train_all(data, [training(form, rate, 1, steps=steps) for form, rate in wanted], at_once, say)
        for (form, rate), result in zip(wanted, results, strict=True):
            tried[form][rate] = result
        wanted = [(form, rate) for form in forms if (rate := beyond({r: t.nll for r, t in tried[form].items()}))]
    best = {form: min(of, key=lambda rate: of[rate].nll) for form, of in tried.items()}

    more = [(form, seed) for form in forms for seed in range(2, seeds + 1)]
    results = train_all(data, [training(form, best[form], seed, steps=steps) for form, seed in more], at_once, say)
    equal = {form: [tried[form][best[form]]] for form in forms}
    for (form, _), result in zip(more, results, strict=True):
        equal[form].append(result)

    longer = [(form, seed) for form in forms if form != FULL for seed in range(1, seeds + 1)]
    cpu = statistics.mean(r.cpu for r in equal[FULL])
    say(f"the full softmax took {cpu:.0f} CPU s: the same for the others")
    trainings = [training(form, best[form], seed, cpu_seconds=cpu) for form, seed in longer]
    timed: dict[str, list[Reached]] = {form: [] for form in forms}
    for (form, _), result in zip(longer, train_all(data, trainings, at_once, say), strict=True):
        timed[form].append(result)
    rates = {form: {rate: t.nll for rate, t in sorted(tried[form].items())} for form in forms}
    return {form: Learned(rates[form], equal[form], timed[form]) for form in forms}


def beyond(nll: Mapping[float, float]) -> float | None:
    """Return the learning rate to try next if the best is the lowest or the highest, or None otherwise.

    Args:
        nll: nll by learning rate; inf for a training that diverged.
    """
    best = min(nll, key=lambda rate: nll[rate])
    if best == min(nll):
        return best / 2
    return best * 2 if best == max(nll) else None


def lines(learned: Mapping[str, Learned]) -> Iterator[str]:
    """Yield the lines of two tables: the learning rates, and the means over the seeds with their ranges."""
    rates = sorted({rate for of in learned.values() for rate in of.rates})
    cells = {
        form: [f"{of.rates[rate]:.3f}" if rate in of.rates else "-" for rate in rates] for form, of in learned.items()
    }
    yield from table(["nll at learning rate", *(f"{rate:g}" for rate in rates)], [[f, *c] for f, c in cells.items()])
    yield ""
    full = statistics.mean(r.nll for r in learned[FULL].equal_examples)

    def row(form: str, length: str, reached: Sequence[Reached]) -> list[str]:
        nll = statistics.mean(r.nll for r in reached)
        return [
            f"{form}, {length}",
            f"{statistics.mean(r.epochs for r in reached):.2f}",
            f"{statistics.mean(r.cpu for r in reached):.0f}",
            spread([r.nll for r in reached], 3),
            f"{100 * (nll / full - 1):+.2f}%",
            spread([r.recall for r in reached], 4),
        ]

    header = ["form of the loss", "epochs", "CPU s", "nll", "nll by full", "recall@10"]
    rows = [row(form, "equal examples", of.equal_examples) for form, of in learned.items()]
    rows += [row(form, "equal time", of.equal_time) for form, of in learned.items() if of.equal_time]
    yield from table(header, rows)
