"""Two workers, processes of their own on this machine, train what one process with two replicas trains."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.workers import Workers, tf_config
from tests.components.trainer.conftest import Corpus

# For each line of standard input, forks once for each of its workers, and says how they ended.
SCRIPT = """
import json, os, signal, sys, time
from types import SimpleNamespace

import tensorflow as tf
from components.trainer import callbacks, workers
from components.trainer.meeting import Meeting
from components.trainer.run import run_fn
from components.trainer.strategy import configure_devices

def work(job, index):
    meeting = Meeting(job["meeting"], job["workers"], patience=60, wait=lambda _: time.sleep(0.05))
    shown = callbacks.ProgressLine.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        shown(self, batch, logs)
        if index == 1 and self._state.step == job["dies"]:
            os.kill(os.getpid(), signal.SIGKILL)

    callbacks.ProgressLine.on_train_batch_end = on_train_batch_end
    if index:
        workers.attend(meeting, index, run_fn)
        return 0
    configure_devices(job["replicas"])
    if job["workers"]:
        meeting.clear()
        workers.hold(meeting)
    run_fn(SimpleNamespace(**job["fn_args"]))
    return 0

for line in sys.stdin:
    job, children = json.loads(line), []
    for index in range(job["workers"] or 1):
        child = os.fork()
        if not child:
            os.dup2(os.open(f"{job['log']}-{index}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
            code = 1
            try:
                code = work(job, index)
            except BaseException as error:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True)
"""


@pytest.fixture(scope="module")
def forks() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[3], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process
    assert process.stdin
    process.stdin.close()
    process.wait()


def train(
    forks: subprocess.Popen[str], corpus: Corpus, out: Path, workers: int, dies: int = 0
) -> tuple[list[int], list[str]]:
    """Exit codes and logs of so many workers; of one process with two replicas where there are none."""
    out.mkdir(exist_ok=True)
    trainer = {"epochs": 1, "checkpoint_seconds": 1e-6, "replicas": "auto" if workers else 2}
    job = {
        "fn_args": vars(corpus.fn_args(out, trainer)),
        "workers": workers,
        "replicas": trainer["replicas"],
        "meeting": str(out / "meeting"),
        "log": str(out / "log"),
        "dies": dies,
    }
    assert forks.stdin
    assert forks.stdout
    forks.stdin.write(json.dumps(job) + "\n")
    forks.stdin.flush()
    codes = json.loads(forks.stdout.readline())
    return codes, [Path(f"{job['log']}-{index}").read_text() for index in range(len(codes))]


def weights(out: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(out / "warm_start" / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("weight/")]
    return {name: reader.get_tensor(name) for name in names}


def about(out: Path) -> dict:
    return json.loads((out / "run" / "training.json").read_text())


@pytest.mark.slow
def test_two_workers_train_what_two_replicas_do_and_go_on_when_one_was_killed(sequence: Corpus, forks, tmp_path):
    assert train(forks, sequence, tmp_path / "alone", workers=0)[0] == [0]
    codes, logs = train(forks, sequence, tmp_path / "whole", workers=2)
    assert codes == [0, 0], logs
    one, two = weights(tmp_path / "alone"), weights(tmp_path / "whole")
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value, two[name], rtol=1e-3, atol=1e-4, err_msg=name)
    assert about(tmp_path / "whole")["devices"] == "2 devices of 2 workers"
    alone, whole = (about(tmp_path / name)["validations"] for name in ("alone", "whole"))
    np.testing.assert_allclose([v["nll"] for v in alone], [v["nll"] for v in whole], rtol=1e-4)
    np.testing.assert_allclose([v["train_loss"] for v in alone], [v["train_loss"] for v in whole], rtol=1e-4)

    dies = about(tmp_path / "whole")["plan"]["steps_per_pass"] * 2 // 3
    codes, logs = train(forks, sequence, tmp_path / "killed", workers=2, dies=dies)
    assert codes == [1, -9], logs
    assert "WorkerLost: another worker has ended or cannot be reached" in logs[0]
    assert not (tmp_path / "killed" / "model").exists()
    codes, logs = train(forks, sequence, tmp_path / "killed", workers=2)
    assert codes == [0, 0], logs
    assert about(tmp_path / "killed")["resumed"]
    for name, value in weights(tmp_path / "killed").items():
        np.testing.assert_allclose(value, two[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_who_takes_part_stands_in_tf_config():
    config = tf_config(["a:1", "b:1"], 1)
    found = Workers.of({"TF_CONFIG": config})
    assert found == Workers(("a:1", "b:1"), 1)
    assert found
    assert not found.chief
    assert Workers.of({}) is None
    assert Workers.of({"TF_CONFIG": tf_config(["a:1"], 0)}) is None, "one worker trains as without"
    with pytest.raises(ValueError, match="worker 2 is none of 2"):
        tf_config(["a:1", "b:1"], 2)


@pytest.mark.parametrize(
    "config",
    ["{", "[]", '{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
     '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}'],
)  # fmt: skip
def test_another_tf_config_is_refused(config: str):
    with pytest.raises(ValueError, match="TF_CONFIG: .*expected as in"):
        Workers.of({"TF_CONFIG": config})
