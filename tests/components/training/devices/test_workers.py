"""Tests that two worker processes, each on its own host, train the same as one process with two replicas."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.training.devices.workers import Workers, lost, tf_config
from tests import hosts
from tests.components.training.conftest import Corpus
from tests.components.training.devices.worker_training import work
from tests.forks import ForkServer


@pytest.fixture
def network() -> Iterator[hosts.Network | None]:
    """Yield two hosts, or None where there can be none: the workers then train on this machine."""
    with contextlib.nullcontext() if hosts.unavailable() else hosts.network(2) as found:
        yield found


def train(
    server: ForkServer,
    corpus: Corpus,
    out: Path,
    workers: int,
    network: hosts.Network | None = None,
    step: int = 0,
    fault: Sequence[str] = (),
    exports: bool = True,
) -> tuple[list[int], list[str]]:
    """Return exit codes and logs of `workers` workers; for 0, of one process with two replicas."""
    out.mkdir(exist_ok=True)
    trainer = {
        "epochs": 1,
        "batch": 128,
        # Every 20 steps where a worker is lost, so that there is a checkpoint to resume from.
        "checkpoint_seconds": 1e-6 if out.name == "lost" else 60,
        "worker_timeout": 10,
        "replicas": "auto" if workers else 2,
    }
    fn_args, jobs = vars(corpus.fn_args(out, trainer)), []
    logs = [out / f"log-{step}-{index}" for index in range(workers or 1)]
    for index, log in enumerate(logs):
        arguments = index, workers, str(out / "rendezvous"), fn_args, trainer["replicas"], step, [*fault], exports
        # The modules are imported once, before a fork. A host of the network is entered after it.
        one = network.hosts[index] if network and workers else None
        host = [one.namespace, one.address, [work.__module__, work.__name__]] if one else []
        function = hosts.call if host else work
        jobs.append(server.start(function, *host, *arguments, out=log, err=log, modules=[work.__module__]))
    return [job.result() for job in jobs], [log.read_text() for log in logs]


def weights(out: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(out / "warm_start" / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("weight/")]
    return {name: reader.get_tensor(name) for name in names}


def about(out: Path) -> dict:
    return json.loads((out / "run" / "training.json").read_text())


@pytest.mark.slow
def test_two_workers_train_what_two_replicas_do_and_go_on_when_one_was_lost(
    sequence: Corpus, forks: ForkServer, network: hosts.Network | None, tmp_path: Path
):
    assert train(forks, sequence, tmp_path / "alone", workers=0, exports=False)[0] == [0]
    codes, logs = train(forks, sequence, tmp_path / "whole", 2, network)
    assert codes == [0, 0], logs
    one, two = weights(tmp_path / "alone"), weights(tmp_path / "whole")
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value, two[name], rtol=1e-3, atol=1e-4, err_msg=name)
    assert about(tmp_path / "whole")["devices"] == "2 devices of 2 workers"
    alone, whole = (about(tmp_path / name)["validations"] for name in ("alone", "whole"))
    np.testing.assert_allclose([v["nll"] for v in alone], [v["nll"] for v in whole], rtol=1e-4)
    np.testing.assert_allclose([v["train_loss"] for v in alone], [v["train_loss"] for v in whole], rtol=1e-4)

    # One training: its link is cut at step 30, which it reaches again from step 20, and a worker killed at step 45.
    lost_out, steps = tmp_path / "lost", about(tmp_path / "whole")["plan"]["steps_per_pass"]
    assert steps > 45
    if network:
        codes, logs = train(forks, sequence, lost_out, 2, network, 30, network.cut(network.hosts[1]))
        assert codes == [1, 1], logs
        for said, (index, host) in zip(logs, ((1, network.hosts[1]), (0, network.hosts[0])), strict=True):
            assert f"WorkerLost: worker {index} at {host.address}:" in said
            assert "has not answered for 10 s: it has ended, or its host or the network is down" in said
            # The cut may reach the chief before the last message of step 30 does.
            assert re.search(
                r"ended after step (29|30)\. When all workers are started again, they resume at step 20", said
            )
        network.restore(network.hosts[1])
    codes, logs = train(forks, sequence, lost_out, 2, network, 45, ["sh", "-c", "kill -KILL $PPID"])
    assert codes == [1, -9], logs
    assert re.search(
        r"WorkerLost: .* (has not answered for 10 s: it has ended|has ended or cannot be reached)", logs[0]
    )
    assert "When all workers are started again, they resume at step 40" in logs[0]
    assert not (lost_out / "model").exists()
    codes, logs = train(forks, sequence, lost_out, 2, network, exports=False)
    assert codes == [0, 0], logs
    assert about(lost_out)["resumed"]
    for name, value in weights(lost_out).items():
        np.testing.assert_allclose(value, two[name], rtol=1e-4, atol=1e-5, err_msg=name)
    if not network:
        pytest.skip(f"no link between the workers was cut: {hosts.unavailable()}")


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


@pytest.mark.parametrize(
    ("index", "error", "said"),
    [
        (0, "Collective ops is aborted by: The following tasks are unhealthy (stopped sending heartbeats):\n"
            "/job:worker/replica:0/task:2", "worker 2 at c:1 has not answered for 60 s"),
        (1, "Deadline Exceeded\nRPC: /tensorflow.CoordinationService/Heartbeat",
            "worker 0 at a:1 has not answered for 60 s"),
        (0, "Collective ops is aborted by: Connection reset by peer\nfrom remote target /job:worker/replica:0/task:1:",
            "worker 1 at b:1 has ended or cannot be reached: its own log says why (Collective ops is aborted by: "),
        (2, "the end", "another worker has ended or cannot be reached: its own log says why (the end)"),
    ],
)  # fmt: skip
def test_the_lost_worker_is_named(index: int, error: str, said: str):
    assert lost(Workers(("a:1", "b:1", "c:1"), index), 60, error).startswith(said)
