"""Killed at any moment, a training ends in the weights of one that was left alone, bit for bit.

Real processes are killed. They are forked from one that has imported everything and used nothing of it, since the
import takes longer than such a training.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tests.components.trainer.conftest import Corpus

pytestmark = pytest.mark.slow

# Trains in a fork for each line of standard input, and says how each fork ended.
SCRIPT = """
import json, os, signal, sys
from types import SimpleNamespace

import tensorflow as tf
from tensorflow.python.checkpoint import functional_saver
from components.trainer import callbacks, checkpoint
from components.trainer.run import run_fn
from components.trainer.strategy import configure_devices

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def train(job):
    configure_devices(job["replicas"])
    state_of_all = []
    # Saves as a slow clock would make them: at some steps, and at every validation.
    save, write = checkpoint.Checkpoints.save, tf.train.Checkpoint.write
    due = lambda state: state.step % 7 == 0 or not state.running

    def save_now_and_then(self, state):
        if due(state):
            last = state.step >= job["step"] and job["die"] != "training"
            if last and job["die"] == "before the index":
                functional_saver.gen_io_ops.merge_v2_checkpoints = lambda *a, **k: die()
            save(self, state)
            if last:
                name = f"{self._directory}/step-{state.step:010}."
                spoilt = name + ("index" if job["die"] == "cut index" else "data-00000-of-00001")
                os.truncate(spoilt, os.path.getsize(spoilt) // 2)
                die()

    checkpoint.Checkpoints.save = save_now_and_then
    shown = callbacks.ProgressLine.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        shown(self, batch, logs)
        if job["die"] == "training" and self._state.step >= job["step"]:
            die()

    callbacks.ProgressLine.on_train_batch_end = on_train_batch_end
    run_fn(SimpleNamespace(**job["fn_args"]))

for line in sys.stdin:
    child = os.fork()
    if not child:
        job = json.loads(line)
        os.dup2(os.open(job["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND), 2)
        code = 1
        try:
            train(job)
            code = 0
        except BaseException as error:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), flush=True)
"""


class Trainings:
    """Trains in processes that end as is asked for."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            cwd=Path(__file__).parents[3], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, corpus: Corpus, out: Path, trainer: dict, die: str = "never", step: int = 10**9) -> None:
        """Trains until it is done, or killed at the step or at the first save from it on."""
        out.mkdir(exist_ok=True)
        job = {
            "fn_args": vars(corpus.fn_args(out, {**trainer, "checkpoint_seconds": 1e-6})),
            "replicas": trainer.get("replicas", 1),
            "log": str(out / "log"),
            "die": die,
            "step": step,
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        ended = int(self._process.stdout.readline())
        assert ended == (0 if die == "never" else 9), (out / "log").read_text()[-3_000:]

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


@pytest.fixture(scope="module")
def trainings():
    made = Trainings()
    yield made
    made.close()


def outcome(out: Path) -> tuple[dict, dict[str, bytes]]:
    """`training.json`, and the bytes of each best weight and of the moments at the end."""
    reader = tf.train.load_checkpoint(str(out / "warm_start" / "state"))
    tensors = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    return (
        json.loads((out / "run" / "training.json").read_text()),
        {name: value.tobytes() for name, value in tensors.items() if value.dtype == "float32"},
    )


def assert_same(whole: Path, parts: Path) -> None:
    (a, weights), (b, resumed) = outcome(whole), outcome(parts)
    assert b["resumed"]
    # Two replicas' sums of the losses are saved as one, which rounds otherwise; nothing follows from it.
    losses = [[v["train_loss"] for v in training["validations"]] for training in (a, b)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for measured in ("step", "nll", "recall_at_10"):
        assert [v[measured] for v in a["validations"]] == [v[measured] for v in b["validations"]], measured
    assert len(weights) > 20
    assert weights == resumed


def test_killed_at_any_moment(sequence: Corpus, trainings: Trainings, tmp_path: Path) -> None:
    trainer = {"epochs": 3}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trainings.run(sequence, whole, trainer)
    steps = outcome(whole)[0]["plan"]["stretch_steps"]
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
        {"replicas": 2, "update": {"kind": "accumulate", "every": 0.7, "embedding": True}},
        {"update": {"kind": "alternate", "every": 1.5}},
    ],
    ids=["two replicas, accumulate", "alternate"],
)
def test_killed_between_updates(sequence: Corpus, trainings: Trainings, tmp_path: Path, trainer: dict) -> None:
    trainer = {"epochs": 2, **trainer}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trainings.run(sequence, whole, trainer)
    steps = outcome(whole)[0]["plan"]["stretch_steps"]
    trainings.run(sequence, parts, trainer, "training", steps // 2)
    trainings.run(sequence, parts, trainer)
    assert_same(whole, parts)
