from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest

from benchmarks import sampling
from benchmarks.trainings import Data, Reached, Training

DATA = Data("graph", "examples", "{}", 1)
# Best rate of each form. The best rate of the shared form is outside the first search grid.
BEST = {"full": 6e-3, "own": 3e-3, "shared": 2.4e-2}


def nll_of(form: str, rate: float) -> float:
    return math.inf if rate > 0.05 else 4.0 + abs(math.log(rate / BEST[form])) + (0.04 if form != "full" else 0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Training]:
    """Return the list of requested trainings, whose results are simulated."""
    asked: list[Training] = []

    def train_all(data: Data, trainings: Sequence[Training], at_once: int, say: Callable[[str], None]) -> list[Reached]:
        assert data == DATA
        assert at_once == 2
        asked.extend(trainings)
        results = []
        for training in trainings:
            form, rate = training.trainer["head"]["form"], training.trainer["learning_rate"]
            gained = 0.1 if training.cpu_seconds else 0.0
            cpu = training.cpu_seconds or (400.0 if form == "full" else 80.0)
            nll = nll_of(form, rate) + training.seed / 1_000 - gained
            results.append(Reached(training.steps or 5_000, 1.0, cpu, {"nll": nll, "recall_at_10": 0.5}))
        return results

    monkeypatch.setattr(sampling, "train_all", train_all)
    return asked


def test_each_form_is_trained_at_its_own_best_rate(asked: list[Training]) -> None:
    learned = sampling.compare(DATA, ["own", "shared"], seeds=2, steps=50, at_once=2, say=lambda _: None)
    assert list(learned) == ["full", "own", "shared"]
    assert {form: min(of.rates, key=of.rates.__getitem__) for form, of in learned.items()} == BEST
    assert {(t.trainer["head"]["form"], t.trainer["learning_rate"]) for t in asked if t.seed == 2} == set(BEST.items())
    # The search continues by one rate beyond an end that was best.
    assert sorted(learned["own"].rates) == [1.5e-3, 3e-3, 6e-3, 1.2e-2]
    assert sorted(learned["shared"].rates) == [3e-3, 6e-3, 1.2e-2, 2.4e-2, 4.8e-2]
    assert [r.nll for r in learned["full"].equal_examples] == pytest.approx([4.001, 4.002])
    assert len(learned["own"].equal_time) == 2
    assert learned["full"].equal_time == []
    assert {t.cpu_seconds for t in asked if t.steps is None} == {400.0}
    assert {t.seed for t in asked if t.steps is None} == {1, 2}


def test_the_full_softmax_is_always_there(asked: list[Training]) -> None:
    assert list(sampling.compare(DATA, ["own"], seeds=1, steps=50, at_once=2, say=lambda _: None)) == ["full", "own"]
    assert {t.seed for t in asked} == {1}


def test_the_tables(asked: list[Training]) -> None:
    learned = sampling.compare(DATA, ["own"], seeds=2, steps=50, at_once=2, say=lambda _: None)
    lines = "\n".join(sampling.lines(learned))
    assert "| full                 |      - | 4.694 | 4.001 | 4.694 |" in lines
    assert (
        "| full, equal examples |   1.00 |   400 | 4.002 (4.001-4.002) |      +0.00% | 0.5000 (0.5000-0.5000) |"
        in lines
    )
    assert "| own, equal examples  |   1.00 |    80 | 4.042 (4.041-4.042) |      +1.00% |" in lines
    assert "| own, equal time      |   1.00 |   400 | 3.942 (3.941-3.942) |      -1.50% |" in lines


@pytest.mark.parametrize(
    ("nll", "following"),
    [
        ({1.0: 3.0, 2.0: 2.0, 4.0: 3.0}, None),
        ({1.0: 1.0, 2.0: 2.0}, 0.5),
        ({1.0: 3.0, 2.0: 2.0}, 4.0),
        ({1.0: 3.0, 2.0: math.inf}, 0.5),
    ],
)
def test_a_rate_beyond_an_end(nll: dict[float, float], following: float | None) -> None:
    assert sampling.beyond(nll) == following
