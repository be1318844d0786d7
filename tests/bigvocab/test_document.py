"""Tests that the example of docs/how-to/layers.md behaves as described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bigvocab.document import example


@pytest.mark.slow
def test_the_example_learns_and_is_loaded_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(example(), found)
    assert found["ids"].shape == found["probabilities"].shape == (3, 10)
    assert (np.diff(found["probabilities"]) <= 0).all()
    losses = found["model"].history.history["val_loss"]
    assert losses[-1] < losses[0]
    answers = [m.predict(found["x"][:5], verbose=0) for m in (found["model"], found["again"])]
    np.testing.assert_array_equal(*answers)
