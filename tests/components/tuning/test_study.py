"""Tests of the trials of a search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.tuning.spec import RangeSpec, TunerSpec
from components.tuning.study import STARTS, STARTUP, Attempt, Study

SPACE = {
    "trainer.learning_rate": RangeSpec(low=0.001, high=1.0, log=True),
    "trainer.model.hidden": RangeSpec(low=16, high=64),
    "trainer.head.bias": RangeSpec(choices=[True, False]),
}
FIRST = {"trainer.learning_rate": 0.01, "trainer.model.hidden": 32, "trainer.head.bias": True}


def study(folder: Path, trials: int | None = 8, worker: int = 0, workers: int = 1, **more: Any) -> Study:
    return Study(folder, SPACE, TunerSpec(trials=trials, **more), seed=7, worker=worker, workers=workers)


def score(attempt: Attempt) -> float:
    return attempt.values["trainer.learning_rate"] - attempt.values["trainer.model.hidden"] / 100


def run(attempt: Attempt, last: int = 3) -> None:
    """Run a trial whose score falls to `score` in three validations."""
    for validation in range(1, last + 1):
        value = score(attempt) + 3 - validation
        attempt.spend(10.0 * validation)
        if attempt.report(validation, value, {"nll": value}) and validation < 3:
            attempt.stop("worse")
            return
    if last == 3:
        attempt.complete(score(attempt))


def test_the_first_trial_has_the_configured_values_and_the_best_has_the_lowest_score(tmp_path: Path) -> None:
    found = study(tmp_path)
    while attempt := found.next(FIRST):
        run(attempt)
    trials = found.trials()
    assert [trial.number for trial in trials] == list(range(8))
    assert trials[0].values == FIRST
    assert all(16 <= trial.values["trainer.model.hidden"] <= 64 for trial in trials)
    best = found.best()
    assert best is not None
    assert best.score == min(trial.score for trial in trials if trial.score is not None)
    assert found.spent() == sum(trial.seconds for trial in trials) > 0


@pytest.mark.filterwarnings("ignore:The reported value is ignored")  # The training begins again in this test.
def test_a_killed_search_draws_the_same_values(tmp_path: Path) -> None:
    whole, killed = study(tmp_path / "whole"), tmp_path / "killed"
    while attempt := whole.next(FIRST):
        run(attempt)
    for _ in range(30):  # Each process ends after one trial, every second one within the trial.
        attempt = study(killed).next(FIRST)
        if attempt is None:
            break
        if attempt.number % 2 and attempt.starts == 1:
            run(attempt, last=1)
        else:
            run(attempt)
    assert [t.values for t in study(killed).trials()] == [t.values for t in whole.trials()]
    assert [t.score for t in study(killed).trials()] == [t.score for t in whole.trials()]


def test_a_bad_trial_is_stopped_unless_pruning_is_off(tmp_path: Path) -> None:
    for prune in (True, False):
        found = study(tmp_path / str(prune), trials=STARTUP + 1, prune=prune)
        for _ in range(STARTUP):
            attempt = found.next(FIRST)
            assert attempt is not None
            for validation in (1, 2, 3):
                assert not attempt.report(validation, 1.0, {})
            attempt.complete(1.0)
        bad = found.next(FIRST)
        assert bad is not None
        assert bad.report(1, 2.0, {}) is prune


def test_the_budget_ends_a_search_only_after_a_complete_trial(tmp_path: Path) -> None:
    found = study(tmp_path, trials=None, time="60s")
    for _ in range(3):
        attempt = found.next(FIRST)
        assert attempt is not None
        attempt.spend(40.0)
        attempt.stop("the loss became infinite")
    assert found.left() == -60
    attempt = found.next(FIRST)
    assert attempt is not None
    attempt.complete(1.0)
    assert found.next(FIRST) is None
    longer = study(tmp_path, trials=None, time="5m").next(FIRST)
    assert longer is not None
    assert longer.number == 4


def test_a_trial_whose_process_ends_again_and_again_is_given_up(tmp_path: Path) -> None:
    for start in range(1, STARTS + 1):
        attempt = study(tmp_path).next(FIRST)
        assert attempt is not None
        assert (attempt.number, attempt.starts) == (0, start)
    after = study(tmp_path).next(FIRST)
    assert after is not None
    assert after.number == 1
    assert study(tmp_path).trials()[0].cause == f"its process ended {STARTS} times"


def test_an_incomplete_last_line_is_deleted(tmp_path: Path) -> None:
    attempt = study(tmp_path).next(FIRST)
    assert attempt is not None
    run(attempt)
    (journal,) = tmp_path.glob("journal*")
    with journal.open("ab") as file:
        file.write(b'{"op_code": 5, "wor')
    assert [trial.state for trial in study(tmp_path).trials()] == ["complete"]
    following = study(tmp_path).next(FIRST)
    assert following is not None
    assert following.number == 1


def test_processes_that_share_a_study_have_their_own_trials(tmp_path: Path) -> None:
    first, second = (study(tmp_path, worker=worker, workers=2) for worker in (0, 1))
    ours, theirs = first.next(FIRST), second.next(FIRST)
    assert ours is not None
    assert theirs is not None
    assert (ours.number, theirs.number) == (0, 1)
    assert ours.values != theirs.values
    assert first.others_running()
    again = study(tmp_path, worker=1, workers=2).next(FIRST)  # The second pod was started again.
    assert again is not None
    assert again.number == 1
    alone = study(tmp_path)  # The next run has one pod.
    numbers = []
    for _ in range(2):
        attempt = alone.next(FIRST)
        assert attempt is not None
        numbers.append(attempt.number)
        run(attempt)
    assert numbers == [0, 1]


@pytest.mark.parametrize("ends", [True, False])
def test_the_first_process_waits_for_the_others_as_long_as_they_make_progress(
    tmp_path: Path, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.tuning import search

    monkeypatch.setattr(search, "IDLE_SECONDS", 10)
    first, second = (study(tmp_path, worker=worker, workers=2) for worker in (0, 1))
    attempt = second.next(FIRST)
    assert attempt is not None
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) < 10:
            attempt.spend(len(waits))
        elif ends:
            attempt.complete(1.0)

    done: Callable[[Study, Callable[[float], None]], None] = search.wait_for_others
    done(first, wait)
    assert len(waits) == (10 if ends else 14)
