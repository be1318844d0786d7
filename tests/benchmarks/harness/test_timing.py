from __future__ import annotations

import time

import pytest

from benchmarks.harness.timing import MOST_STEPS, TURN_SECONDS, Spent, Timing, steps_a_turn, timed


def test_figures_are_milliseconds_a_step() -> None:
    timing = Timing.of([Spent(10, 0.2, 0.1), Spent(4, 0.1, 0.1), Spent(1, 0.021, 0.5)])
    assert timing.cpu == pytest.approx((20, 25, 21))
    assert (timing.least_cpu, timing.median_cpu) == pytest.approx((20, 21))
    assert (timing.least_wall, timing.median_wall) == pytest.approx((10, 25))
    with pytest.raises(ValueError, match="at least one"):
        Timing.of([])


def test_time_is_that_of_the_steps() -> None:
    called: list[int] = []

    def step(number: int) -> None:
        called.append(number)
        end = time.process_time() + 0.005
        while time.process_time() < end:
            pass

    spent = timed(step, 3)
    assert called == [0, 1, 2]
    assert spent.steps == 3
    assert spent.cpu >= 0.015
    assert spent.wall >= 0.9 * 0.015


@pytest.mark.parametrize(
    ("seconds", "steps"), [(10 * TURN_SECONDS, 1), (TURN_SECONDS / 8, 8), (1e-9, MOST_STEPS), (0.0, MOST_STEPS)]
)
def test_a_turn_has_a_length(seconds: float, steps: int) -> None:
    assert steps_a_turn(Spent(1, seconds, seconds)) == steps
