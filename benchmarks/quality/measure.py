"""Trainings of `bigvocab bench quality`, and their results."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness.machine import Machine
from benchmarks.quality.combinations import COMBINATIONS, DATA
from benchmarks.quality.data import Metrics, Request, prepare
from benchmarks.trainings import Data, Reached, Training, TrainingError, results

# Size of the random sample of the eval split that is measured: the standard error of a recall of .5 is .0028.
_MEASURED_LABELS = 32_768
# CPU seconds of a training beside its own: imports, pilot and evaluation.
_BESIDE = 40
# Wall seconds of the nodes up to Transform and of the baselines, for each data set.
_PREPARATION = 90


@dataclass(frozen=True)
class Run:
    """Finished training.

    Attributes:
        data: Name of the data set.
        combination: Name of the combination.
        seed: Seed of the training.
        reached: Its results.
    """

    data: str
    combination: str
    seed: int
    reached: Reached


@dataclass
class Results:
    """Results of the benchmark.

    Attributes:
        machine: Machine of the measurement.
        cpu_seconds: CPU time asked for, of each training.
        seeds: Number of seeds asked for.
        runs: Finished trainings, in the order in which they ended.
        baselines: Metrics on the eval split, by data set and baseline.
        failures: Trainings that failed, each with the reason.
    """

    machine: Machine
    cpu_seconds: float
    seeds: int
    runs: list[Run] = field(default_factory=list)
    baselines: dict[str, Mapping[str, Metrics]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def of(self, data: str) -> dict[str, list[Reached]]:
        """Return the results on a data set by combination, in the order of the table of combinations."""
        found = {
            name: [r.reached for r in self.runs if (r.data, r.combination) == (data, name)] for name in COMBINATIONS
        }
        return {name: reached for name, reached in found.items() if reached}

    def as_json(self) -> dict[str, Any]:
        """Return the results as a JSON object. A metric that is not a finite number is None."""
        return {
            "machine": dataclasses.asdict(self.machine),
            "cpu_seconds": self.cpu_seconds,
            "seeds": self.seeds,
            "trainings": [
                {
                    "data": run.data,
                    "combination": run.combination,
                    "seed": run.seed,
                    **dataclasses.asdict(run.reached),
                    "metrics": {n: v if math.isfinite(v) else None for n, v in run.reached.metrics.items()},
                }
                for run in self.runs
            ],
            "baselines": self.baselines,
            "failures": self.failures,
        }


def estimate(wanted: Mapping[str, Sequence[str]], seeds: int, cpu_seconds: float, cores: int) -> float:
    """Return about how many minutes the benchmark takes.

    Args:
        wanted: Names of combinations by data set.
        seeds: Number of trainings of each.
        cpu_seconds: CPU time of each training.
        cores: Cores of the machine, which do nothing else.
    """
    rounds = sum(math.ceil(seeds * len(names) / cores) for names in wanted.values())
    return (rounds * (cpu_seconds + _BESIDE) + len(wanted) * _PREPARATION) / 60


def requests(data: str, names: Sequence[str], root: str, quick: bool) -> list[Request]:
    """Return the data that the combinations of a data set need: one request for each value of `vocabulary.shared`.

    The first also asks for the baselines: of a sequence, all of them count and rank the labels alone, which do not
    depend on the input vocabulary.

    Args:
        data: Name of the data set.
        names: Names of combinations.
        root: Folder that has the root of each data set.
        quick: True to use less data.
    """
    values = sorted({COMBINATIONS[name].shared for name in names}) or [False]
    return [
        Request(DATA[data], f"{root}/{data}", shared, quick, baselines=number == 0)
        for number, shared in enumerate(values)
    ]


def measure(
    data: str, names: Sequence[str], root: str, quick: bool, say: Callable[[str], None], found: Results
) -> Generator[None, None, None]:
    """Prepare a data set, measure its baselines, and train each combination with each seed.

    All combinations train with the first seed, then with the second one, so that an interruption leaves complete
    comparisons. Closing the generator ends the running trainings.

    Args:
        data: Name of the data set.
        names: Names of combinations.
        root: Folder that has the root of each data set.
        quick: True to use less data.
        say: Receives progress messages.
        found: Receives the results. Has the CPU time, the number of seeds and the machine.

    Yields:
        None, after each addition to `found`.

    Raises:
        DataError: The data could not be prepared.
    """
    cores = found.machine.cores
    prepared: dict[bool, Data] = {}
    for request in requests(data, names, root, quick):
        say(f"{data}: preparing the data with vocabulary.shared={str(request.shared).lower()}")
        prepared[request.shared], baselines = prepare(request, cores)
        if request.baselines:
            found.baselines[data] = baselines
            yield
    trainings = [
        Training(name, COMBINATIONS[name].trainer, seed, None, found.cpu_seconds, _MEASURED_LABELS)
        for seed in range(1, found.seeds + 1)
        for name in names
    ]
    say(f"{data}: {len(trainings)} trainings of {found.cpu_seconds:g} CPU seconds each, {cores} at once")
    jobs = [(prepared[COMBINATIONS[training.name].shared], training) for training in trainings]
    with contextlib.closing(results(jobs, cores)) as ended:
        for number, result in ended:
            training = trainings[number]
            if isinstance(result, TrainingError):
                found.failures.append(f"{data}: {result}")
                say(found.failures[-1])
            else:
                found.runs.append(Run(data, training.name, training.seed, result))
                say(f"{data}: {training}: {result}")
            yield
