"""Trials of a search, kept in a journal file, so that a killed search loses none."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from components.spec import seconds
from components.tuning.space import distributions, parameters, values_of
from components.tuning.spec import RangeSpec, TunerSpec

STARTUP = 4
"""Trials drawn at random, and never pruned, before the search learns from the trials so far."""
STARTS = 3
"""Number of starts of a trial, after which the search gives it up: it may exceed the memory of the machine."""
_NAME = "trials"
_JOURNAL = "journal.log"
_BEST, _CAUSE, _SECONDS, _STARTS, _WORKER = "best", "cause", "seconds", "starts", "worker"


@dataclass(frozen=True)
class Trial:
    """A trial, as it stands.

    Attributes:
        number: Number of the trial, from 0.
        values: Values by dotted key.
        state: `complete`, `pruned`, or `running`, also if its process has ended.
        score: Score of the best validation; lower is better. None: no validation yet, or the trial was stopped.
        best: Record of the best validation so far, or None.
        seconds: Time of the trial.
        cause: Reason why the trial was stopped, or an empty string.
    """

    number: int
    values: dict[str, Any]
    state: str
    score: float | None
    best: dict[str, Any] | None
    seconds: float
    cause: str


class Study:
    """Trials of a search.

    Args:
        folder: Folder of the journal. Several processes may share it.
        space: Ranges by dotted key.
        spec: Budget of the search, and if trials are pruned.
        seed: Seed of the random draws.
        worker: Number of this process among those that share the study.
        workers: Number of these processes.
    """

    def __init__(
        self,
        folder: str | Path,
        space: Mapping[str, RangeSpec],
        spec: TunerSpec,
        seed: int,
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        journal = Path(folder) / _JOURNAL
        if worker == 0:
            _mend(journal)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._storage = JournalStorage(JournalFileBackend(str(journal)))
        pruner = MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=0) if spec.prune else NopPruner()
        self._study = optuna.create_study(
            storage=self._storage, study_name=_NAME, direction="minimize", load_if_exists=True, pruner=pruner
        )
        self._space, self._spec, self._seed = dict(space), spec, seed
        self._worker, self._workers = worker, workers

    def trials(self) -> list[Trial]:
        """Return all trials, in the order of their numbers."""
        return [self._as_trial(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def best(self) -> Trial | None:
        """Return the complete trial with the lowest score, or None without one."""
        complete = [trial for trial in self.trials() if trial.state == "complete" and trial.score is not None]
        return min(complete, key=lambda trial: (trial.score, trial.number), default=None)

    def others_running(self) -> bool:
        """Return True if another process may be running a trial."""
        return any(f.user_attrs.get(_WORKER, 0) != self._worker for f in self._running())

    def spent(self) -> float:
        """Return the time of the trials of this process and of its predecessors, in seconds."""
        trials = self._study.get_trials(deepcopy=False)
        return sum(f.user_attrs.get(_SECONDS, 0.0) for f in trials if f.user_attrs.get(_WORKER, 0) == self._worker)

    def left(self) -> float:
        """Return the seconds that remain of the budget; 0 or less if it is spent."""
        return seconds(self._spec.time) - self.spent()

    def must_go_on(self) -> bool:
        """Return True until a trial is complete: a search has at least one result, whatever the budget."""
        return self.best() is None

    def next(self, first: Mapping[str, Any]) -> Attempt | None:
        """Return the next trial to run, or None if the budget is spent.

        A trial whose process was killed comes first. Its training resumes from its last checkpoint.

        Args:
            first: Values of the configuration by dotted key, which the first trial has.
        """
        for frozen in self._running():
            owner = frozen.user_attrs.get(_WORKER, 0)
            if owner != self._worker and owner < self._workers:
                continue
            attempt = self._attempt(frozen)
            if set(frozen.params) != set(self._space):  # It was killed while it drew its values.
                attempt.stop("killed before its start")
            elif attempt.starts >= STARTS:
                attempt.stop(f"its process ended {STARTS} times")
            elif self.left() > 0 or self.must_go_on():
                attempt.start()
                return attempt
        if not self.must_go_on() and (self.left() <= 0 or self._all_drawn()):
            return None
        return self._ask(first)

    def _all_drawn(self) -> bool:
        return self._spec.trials is not None and len(self._study.get_trials(deepcopy=False)) >= self._spec.trials

    def _ask(self, first: Mapping[str, Any]) -> Attempt:
        drawn = len(self._study.get_trials(deepcopy=False))
        if drawn == 0:
            self._study.enqueue_trial(parameters(first, self._space))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Both options are marked as experimental.
            # A sampler for each trial, so that a search that was killed goes on with the same values.
            self._study.sampler = TPESampler(
                seed=self._seed + drawn + 1_000_003 * self._worker,
                n_startup_trials=STARTUP,
                multivariate=True,
                constant_liar=self._workers > 1,
            )
            trial = self._study.ask(distributions(self._space))
        attempt = Attempt(trial, self._study, values_of(trial.params, self._space))
        trial.set_user_attr(_WORKER, self._worker)
        attempt.start()
        return attempt

    def _running(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _attempt(self, frozen: FrozenTrial) -> Attempt:
        study = self._storage.get_study_id_from_name(_NAME)
        number = self._storage.get_trial_id_from_study_id_trial_number(study, frozen.number)
        return Attempt(optuna.trial.Trial(self._study, number), self._study, values_of(frozen.params, self._space))

    def _as_trial(self, frozen: FrozenTrial) -> Trial:
        about = frozen.user_attrs
        state = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}.get(frozen.state, "running")
        return Trial(
            frozen.number,
            values_of(frozen.params, self._space),
            state,
            frozen.value if state == "complete" else None,
            about.get(_BEST),
            about.get(_SECONDS, 0.0),
            about.get(_CAUSE, ""),
        )


class Attempt:
    """A trial that this process runs.

    Args:
        trial: The trial in the journal.
        study: The study in the journal.
        values: Values by dotted key.
    """

    def __init__(self, trial: optuna.trial.Trial, study: optuna.study.Study, values: dict[str, Any]) -> None:
        self._trial, self._study = trial, study
        self.number, self.values = trial.number, values
        self._spent: float = trial.user_attrs.get(_SECONDS, 0.0)

    @property
    def starts(self) -> int:
        """Number of starts of this trial so far."""
        return self._trial.user_attrs.get(_STARTS, 0)

    def start(self) -> None:
        """Count a start."""
        self._trial.set_user_attr(_STARTS, self.starts + 1)

    def spend(self, time: float) -> None:
        """Record the seconds since this start of the trial."""
        self._trial.set_user_attr(_SECONDS, self._spent + time)

    def report(self, validation: int, score: float, best: Mapping[str, Any]) -> bool:
        """Record a validation.

        Args:
            validation: Number of the validation, from 1.
            score: Its score; lower is better.
            best: Record of the best validation so far.

        Returns:
            True if the trial is worse than the median of the earlier trials, and should stop.
        """
        self._trial.set_user_attr(_BEST, dict(best))
        self._trial.report(score, validation)
        return bool(self._trial.should_prune())

    def complete(self, score: float) -> None:
        """Record the score of the best validation of the whole training."""
        self._study.tell(self._trial, score)

    def stop(self, cause: str) -> None:
        """Record that the trial ended early. The search treats it as worse than all complete trials."""
        self._trial.set_user_attr(_CAUSE, cause)
        self._study.tell(self._trial, state=TrialState.PRUNED)


def _mend(journal: Path) -> None:
    """Delete an incomplete last line, which a process left that was killed while it wrote."""
    if not journal.exists():
        return
    text = journal.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        with journal.open("r+b") as file:
            file.truncate(whole)
