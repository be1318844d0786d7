import numpy as np
import pytest

from benchmarks.approximation import planted
from benchmarks.harness import timing
from benchmarks.harness.machine import this_machine
from components.training.export import approximate as choice


def test_all_forms_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(choice, "MOST_READ", 1.0)  # A search in so few classes reads many of them.
    monkeypatch.setattr(planted, "_CHOSEN", 1_200)
    monkeypatch.setattr(planted, "_TESTED", 128)
    results = planted.Results(this_machine())
    planted.measure([1_000], 1, results, lambda text: None)
    (found,) = results.found
    assert [form.name for form in found.forms] == [
        "exact, float32", "exact, int8", "approximate, float32", "approximate, int8",
    ]  # fmt: skip
    exact, int8, searched, both = found.forms
    assert (exact.recall, exact.nats) == (1.0, 0.0)
    assert 0.9 < both.recall <= int8.recall + 0.05
    assert searched.recall > 0.97
    assert int8.bytes < exact.bytes / 3
    lines = list(planted.lines(results))
    assert len(lines) == 2 + 4 + 2
    assert results.as_json()["found"][0]["classes"] == 1_000


def test_the_planted_classes_depend_on_the_seed_alone() -> None:
    for first, second in zip(planted.planted(1_000), planted.planted(1_000), strict=True):
        np.testing.assert_array_equal(first, second)
    assert np.abs(planted.planted(1_000, seed=1)[0] - planted.planted(1_000)[0]).max() > 0.1
