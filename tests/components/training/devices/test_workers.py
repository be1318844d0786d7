"""Tests that two worker processes on this machine train the same as one process with two replicas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.training.devices.workers import Workers, tf_config
from tests.components.training.conftest import Corpus
from tests.components.training.devices.worker_training import work
from tests.forks import ForkServer


def train(server: ForkServer, corpus: Corpus, out: Path, workers: int, dies: int = 0) -> tuple[list[int], list[str]]:
    """Return exit codes and logs of `workers` workers; for 0, of one process with two replicas."""
    out.mkdir(exist_ok=True)
    trainer = {
        "epochs": 1,
        "batch": 128,
        # After every step where a worker dies, so that there is one to resume from.
        "checkpoint_seconds": 1e-6 if out.name == "killed" else 60,
        "replicas": "auto" if workers else 2,
        "model": {"num_heads": 0, "ngrams": 2},
    }
    fn_args = vars(corpus.fn_args(out, trainer))
    logs = [out / f"log-{index}" for index in range(workers or 1)]
    jobs = [
        server.start(
            work, index, workers, str(out / "rendezvous"), fn_args, trainer["replicas"], dies, out=log, err=log
        )
        for index, log in enumerate(logs)
    ]
    return [job.result() for job in jobs], [log.read_text() for log in logs]


def weights(out: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(out / "warm_start" / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("weight/")]
    return {name: reader.get_tensor(name) for name in names}


def about(out: Path) -> dict:
    return json.loads((out / "run" / "training.json").read_text())


@pytest.mark.slow
def test_two_workers_train_what_two_replicas_do_and_go_on_when_one_was_killed(
    sequence: Corpus, forks: ForkServer, tmp_path: Path
):
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
    with pytest.raises(ValueError, match="worker 2 does not exist: there are 2"):
        tf_config(["a:1", "b:1"], 2)


@pytest.mark.parametrize(
    "config",
    ["{", "[]", '{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
     '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}'],
)  # fmt: skip
def test_another_tf_config_is_refused(config: str):
    with pytest.raises(ValueError, match="TF_CONFIG: .*expected as in"):
        Workers.of({"TF_CONFIG": config})
