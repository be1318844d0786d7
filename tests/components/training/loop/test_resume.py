"""Tests that a training killed at any moment ends in the same weights, bit for bit, as an uninterrupted one.

Real processes are killed. They are forks of a process that has imported all modules and used none, because the
import takes longer than such a training.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import tensorflow as tf

from tests.components.training.conftest import SMALL, Corpus
from tests.components.training.loop.killed_training import train
from tests.forks import ForkServer

pytestmark = pytest.mark.slow


class Trainings:
    """Trainings in processes that end as requested."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server

    def run(self, corpus: Corpus, out: Path, trainer: dict, die: str = "never", step: int = 10**9) -> None:
        """Train until the end, or until the kill at a step or at the first save from that step on."""
        out.mkdir(exist_ok=True)
        log = out / "log"
        fn_args = vars(corpus.fn_args(out, {**trainer, "checkpoint_seconds": 1e-6}))
        ended = self._server.start(train, fn_args, trainer.get("replicas", 1), die, step, out=log, err=log)
        assert ended.result() == (0 if die == "never" else -signal.SIGKILL), log.read_text()[-3_000:]


@pytest.fixture(scope="module")
def trainings(forks: ForkServer) -> Trainings:
    return Trainings(forks)


def outcome(out: Path) -> tuple[dict, dict[str, bytes]]:
    """Return `training.json`, and the bytes of each best weight and of the moments at the end."""
    reader = tf.train.load_checkpoint(str(out / "warm_start" / "state"))
    tensors = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    return (
        json.loads((out / "run" / "training.json").read_text()),
        {name: value.tobytes() for name, value in tensors.items() if value.dtype == "float32"},
    )


def assert_same(whole: Path, parts: Path) -> None:
    (a, weights), (b, resumed) = outcome(whole), outcome(parts)
    assert b["resumed"]
    # The loss sums of two replicas are saved as one sum, which rounds differently. The training does not depend on
    # them.
    losses = [[v["train_loss"] for v in training["validations"]] for training in (a, b)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for measured in ("step", "nll", "recall_at_10"):
        assert [v[measured] for v in a["validations"]] == [v[measured] for v in b["validations"]], measured
    assert len(weights) > 20
    assert weights == resumed


def test_killed_at_any_moment(sequence: Corpus, trainings: Trainings, tmp_path: Path) -> None:
    trainer = {"epochs": 3, "batch": 128}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trainings.run(sequence, whole, trainer)
    steps = outcome(whole)[0]["plan"]["interval"]
    trainings.run(sequence, parts, trainer, "training", steps // 2)
    trainings.run(sequence, parts, trainer, "before the index", steps + steps // 3)
    trainings.run(sequence, parts, trainer, "cut data", steps + steps // 2)
    trainings.run(sequence, parts, trainer, "cut index", 2 * steps)
    trainings.run(sequence, parts, trainer)
    assert_same(whole, parts)
    log = (parts / "log").read_text()
    assert log.count("this checkpoint was never finished, the last whole one is taken") == 1
    assert log.count("this checkpoint is damaged") == 2
    assert not any((parts / "checkpoints").iterdir())


@pytest.mark.parametrize(
    "trainer",
    [
        {
            "model": {"kind": "recurrent", "context": 9, "embedding": 8, "projection": 8, "units": 12},
            "replicas": 2,
            "update": {"kind": "accumulate", "every": 0.7, "embedding": True},
        },
        {
            "model": SMALL["model"],
            "update": {"kind": "alternate", "every": 1.5},
            "head": {"negatives": 64, "mixture": "ngrams"},
        },
    ],
    ids=["whole rows, two replicas, accumulate", "alternate, with counts of n-grams"],
)
def test_killed_between_updates(sequence: Corpus, trainings: Trainings, tmp_path: Path, trainer: dict) -> None:
    trainer = {"epochs": 2, "batch": 128, **trainer}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trainings.run(sequence, whole, trainer)
    steps = outcome(whole)[0]["plan"]["interval"]
    trainings.run(sequence, parts, trainer, "training", steps // 2)
    trainings.run(sequence, parts, trainer)
    assert_same(whole, parts)
