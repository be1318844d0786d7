"""Several processes, on one machine or many, that train one model together.

Each is told of the others by `TF_CONFIG`, as TensorFlow has it: `{"cluster": {"worker": ["host:port", ...]}, "task":
{"type": "worker", "index": 0}}`. The first is the chief: it alone is a node of the pipeline, and writes. The others are
invited by it to the same training, over the storage that they share, and hold the same weights all the time.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

TF_CONFIG = "TF_CONFIG"
# Steps between two agreements on whether it is time to save: each costs the workers a message.
ASKED_STEPS = 20
_POLL_SECONDS = 1.0
_INVITED = ("train_files", "eval_files", "transform_output", "base_model", "custom_config")
# What the loss of a worker looks like to the others.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


class WorkerLost(RuntimeError):
    """Another worker has ended, or cannot be reached."""


@dataclass(frozen=True)
class Workers:
    """The processes of a training, and which of them this one is."""

    hosts: tuple[str, ...]
    index: int

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Workers | None:
        """Those that `TF_CONFIG` names; None where this process trains alone.

        Raises:
            ValueError: `TF_CONFIG` is not what TensorFlow reads, or names other tasks than workers.
        """
        text = environment.get(TF_CONFIG)
        if not text:
            return None
        try:
            about = json.loads(text)
            cluster, task = about["cluster"], about["task"]
            hosts, index = tuple(cluster["worker"]), int(task["index"])
            if set(cluster) != {"worker"} or task["type"] != "worker" or not 0 <= index < len(hosts):
                raise ValueError("there are workers alone, and the task is one of them")
        except (ValueError, KeyError, TypeError) as error:
            example = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'
            raise ValueError(f"{TF_CONFIG}: {error!r}; expected as in {example}, not {text}") from error
        return cls(hosts, index) if len(hosts) > 1 else None

    @property
    def chief(self) -> bool:
        return self.index == 0


def tf_config(hosts: list[str], index: int) -> str:
    """What `TF_CONFIG` is for one of so many workers.

    Raises:
        ValueError: there is no such worker.
    """
    if not 0 <= index < len(hosts):
        raise ValueError(f"worker {index} is none of {len(hosts)}")
    return json.dumps({"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}})


_invitation: str | None = None
_guest = False


def set_invitation(path: str | None) -> None:
    """Where the chief's `run_fn` writes its invitation from now on."""
    global _invitation
    _invitation = path


def invite(fn_args: Any) -> None:
    """The chief's: tells the others what is trained."""
    if _invitation:
        _write(_invitation, {"fn_args": {name: getattr(fn_args, name) for name in _INVITED}})


def is_guest() -> bool:
    """Whether this process was invited, and exports nothing."""
    return _guest


def end(path: str, failed: bool) -> None:
    """The chief's: tells those that still wait that there is nothing to train, or no more."""
    _write(path, {"over": int(failed)})


def withdraw(path: str) -> None:
    """The chief's: what an earlier try has written does not hold any more."""
    with contextlib.suppress(tf.errors.NotFoundError):
        tf.io.gfile.remove(path)


def attend(path: str, run_fn: Callable[[Any], None], wait: Callable[[float], None] = time.sleep) -> int:
    """What the others do: waits for the chief's invitation, and trains with it. Nothing is kept.

    Returns:
        The exit code: 0, also where there was nothing to train; 1 when the chief failed before.
    """
    while True:
        try:
            with tf.io.gfile.GFile(path) as file:
                told = json.loads(file.read())
            break
        except (tf.errors.NotFoundError, ValueError):  # Not there yet, or not whole.
            wait(_POLL_SECONDS)
    if "over" in told:
        return int(told["over"])
    global _guest
    _guest = True
    with tempfile.TemporaryDirectory() as folder:
        places = {"serving_model_dir": f"{folder}/model", "model_run_dir": f"{folder}/run"}
        run_fn(SimpleNamespace(**told["fn_args"], **places))
    return 0


def make_strategy(gpus: bool) -> tf.distribute.Strategy:
    """The strategy of this process and those that `TF_CONFIG` names; waits until all are there.

    To be called before anything uses TensorFlow's devices.
    """
    kinds = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(implementation=kinds.NCCL if gpus else kinds.RING)
    return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


def are_several(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def shared_out(batches: tf.data.Dataset) -> tf.data.Dataset:
    """A data set of whole batches, of each of which a worker takes its part."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batches.with_options(options)


def any_says(strategy: tf.distribute.Strategy, said: bool) -> bool:
    """Whether any worker says yes; to be asked by all at the same step."""
    votes = strategy.run(lambda: tf.constant(float(said)))
    return float(strategy.reduce(tf.distribute.ReduceOp.SUM, votes, axis=None)) > 0


def fit(
    model: keras.Model,
    batches: tf.data.Dataset,
    strategy: tf.distribute.Strategy,
    callbacks: keras.callbacks.CallbackList,
    initial_epoch: int,
    epochs: int,
    steps_per_epoch: int,
) -> None:
    """What Keras's `fit` does, which averages what it must not where there are several workers.

    Raises:
        WorkerLost: see there.
    """
    with _losses_told():
        iterator = iter(strategy.experimental_distribute_dataset(shared_out(batches)))
        model.stop_training = False
        callbacks.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            for metric in model.metrics:
                metric.reset_state()
            callbacks.on_epoch_begin(epoch)
            for step in range(steps_per_epoch):
                callbacks.on_train_batch_begin(step)  # May choose another function.
                callbacks.on_train_batch_end(step, model.make_train_function()(iterator))
            callbacks.on_epoch_end(epoch, model.get_metrics_result())
            if model.stop_training:
                break
        callbacks.on_train_end()


@contextlib.contextmanager
def _losses_told() -> Iterator[None]:
    try:
        yield
    except _LOST as error:
        first = str(error).strip().splitlines()[0]
        raise WorkerLost(
            "another worker has ended or cannot be reached: its own log says why. "
            f"When all are started again, they go on at the last checkpoint ({type(error).__name__}: {first})"
        ) from error


def train_function(model: keras.Model, strategy: tf.distribute.Strategy) -> Callable[[Any], Any]:
    """A step from an iterator, as Keras makes it; its logs are those of this process's first replica."""

    @tf.function(reduce_retracing=True)
    def step(iterator: Any) -> Any:
        logs = strategy.run(model.train_step, args=(next(iterator),))
        return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], logs)

    return step


def _write(path: str, told: dict[str, Any]) -> None:
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    part = f"{path}.part"
    with tf.io.gfile.GFile(part, "w") as file:
        file.write(json.dumps(told))
    tf.io.gfile.rename(part, path, overwrite=True)
