"""Search over the values of trainer keys: one trial after the other, until the budget is spent."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from components.choices import Choices
from components.files import matching
from components.messages.formatting import duration, setting
from components.messages.progress import note
from components.metrics.headline import headline
from components.training.loop.checkpoint import remove_abandoned, training_key
from components.training.run import spec_of
from components.tuning.space import configured, default_space, tree
from components.tuning.spec import RangeSpec, TunerSpec
from components.tuning.study import Study, Trial
from components.tuning.trial import OutOfTime, run_trial
from components.tuning.words import words

_POLL_SECONDS = 2.0
IDLE_SECONDS = 600.0
"""Time without progress after which another process counts as ended."""


@dataclass(frozen=True)
class Found:
    """Result of a search.

    Attributes:
        choices: Choices of the node Defaults, with the values of the best trial.
        trials: All trials.
        best: The best trial.
        space: Ranges by dotted key.
    """

    choices: Choices
    trials: list[Trial]
    best: Trial
    space: dict[str, RangeSpec]


def search(
    arguments: Any,
    spec: TunerSpec,
    folder: str,
    worker: int = 0,
    workers: int = 1,
    wait: Callable[[float], None] = time.sleep,
) -> Found:
    """Run trials until the budget is spent.

    A search that was killed goes on with its trials, and with the last checkpoint of the trial that was running.

    Args:
        arguments: Arguments of the training: see `components.training.run`.
        spec: Ranges and budget.
        folder: Folder of all searches, which outlives the execution.
        worker: Number of this process among those that share the search.
        workers: Number of these processes.
        wait: Function that waits for a number of seconds.

    Raises:
        ValueError: No trial was completed. The message has the causes.
    """
    trainer = spec_of(arguments)
    space = dict(spec.space) or default_space(trainer)
    own = f"{folder}/{search_key(arguments, space)}"
    study = Study(own, space, spec, trainer.seed, worker, workers)
    if worker == 0:
        remove_abandoned(folder, own)
        _announce(study, space)
    first = configured(trainer, space)
    failures = 0
    while (attempt := study.next(first)) is not None:
        note(f"trial {attempt.number}: {words(attempt.values)}")
        began, of_trial = time.monotonic(), f"{own}/trial-{attempt.number:03}"

        def left() -> float:
            return math.inf if study.must_go_on() else study.left()

        try:
            cause = run_trial(arguments, attempt, of_trial, left)
        except OutOfTime:
            note(f"trial {attempt.number}: the time is over; a longer tuner.time goes on with it")
            break
        trial = study.trials()[attempt.number]
        outcome = f"stopped: {cause}" if cause else headline(trial.best or {}, "curve")
        note(f"trial {attempt.number}: {outcome}, {duration(time.monotonic() - began)}")
        failures = failures + 1 if cause and study.must_go_on() else 0
        if failures >= _most_failures(spec):
            break
    if worker == 0 and workers > 1:
        wait_for_others(study, wait)
    best = study.best()
    if best is None:
        causes = sorted({trial.cause for trial in study.trials() if trial.cause})
        raise ValueError(f"no trial of the search ended: {'; '.join(causes)}: change the ranges in tuner.space")
    choices = Choices.of(arguments.hyperparameters)
    return Found(dataclasses.replace(choices, tuned=tree(best.values)), study.trials(), best, space)


def search_key(arguments: Any, space: dict[str, RangeSpec]) -> str:
    """Return a name for a search, so that only a search with the same data, code, keys and ranges goes on with it.

    The budget is left out: a longer search goes on with the trials of a shorter one.

    Args:
        arguments: Arguments of the training.
        space: Ranges by dotted key.
    """
    ranges = {key: values.model_dump(mode="json") for key, values in space.items()}
    keys = {name: value for name, value in arguments.custom_config.items() if name != "checkpoints"}
    files = matching([*arguments.train_files, *arguments.eval_files])
    return training_key([json.dumps([ranges, keys, arguments.hyperparameters], sort_keys=True)], files)


def _announce(study: Study, space: dict[str, RangeSpec]) -> None:
    done = len(study.trials())
    if done:
        note(f"goes on with {done} trial{'s' if done > 1 else ''} of an earlier search, {duration(study.spent())}")
    for key, values in space.items():
        note(f"{key}: {(' to ' if values.choices is None else ', ').join(map(setting, values.ends))}")


def _most_failures(spec: TunerSpec) -> int:
    """Return the number of failed trials without a complete one after which a search gives up."""
    return spec.trials or 10


def wait_for_others(study: Study, wait: Callable[[float], None]) -> None:
    """Wait until the other processes have ended their trials, or none of them has made progress for `IDLE_SECONDS`.

    Args:
        study: Trials of the search.
        wait: Function that waits for a number of seconds.
    """
    idle, before = 0.0, study.trials()
    while study.others_running() and idle < IDLE_SECONDS:
        wait(_POLL_SECONDS)
        now = study.trials()
        idle, before = (0.0, now) if now != before else (idle + _POLL_SECONDS, before)
