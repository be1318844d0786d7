"""Several processes, on one machine or many, that train one model together.

Each is told of the others by `TF_CONFIG`, as TensorFlow has it: `{"cluster": {"worker": ["host:port", ...]}, "task":
{"type": "worker", "index": 0}}`. The first is the chief: it alone is a node of the pipeline, and writes. The others are
called by it to the same training, see `components.training.devices.meeting`, and hold the same weights all the time.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

from components.training.devices.meeting import Meeting, WorkerLost

TF_CONFIG = "TF_CONFIG"
# Steps between two agreements on whether it is time to save: each costs the workers a message.
ASKED_STEPS = 20
_INVITED = "invited"
_TOLD = ("train_files", "eval_files", "transform_output", "base_model", "custom_config")
# What the loss of a worker looks like to the others.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


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


def tf_config(hosts: Sequence[str], index: int) -> str:
    """What `TF_CONFIG` is for one of so many workers.

    Raises:
        ValueError: there is no such worker.
    """
    if not 0 <= index < len(hosts):
        raise ValueError(f"worker {index} is none of {len(hosts)}")
    return json.dumps({"cluster": {"worker": list(hosts)}, "task": {"type": "worker", "index": index}})


_meeting: ContextVar[Meeting | None] = ContextVar("meeting", default=None)


@contextlib.contextmanager
def calling(meeting: Meeting) -> Iterator[None]:
    """Return a context within which `gather` calls the other workers first: TFX passes nothing of ours to `run_fn`."""
    token = _meeting.set(meeting)
    try:
        yield
    finally:
        _meeting.reset(token)


def gather(fn_args: Any) -> Workers | None:
    """Return the workers of a training, or None if this process trains alone. The chief calls the others first.

    Args:
        fn_args: `tfx.components.FnArgs`, or the arguments that `attend` makes.

    Raises:
        ValueError: `TF_CONFIG` is wrong, or names a worker other than the chief, and the chief did not call it.
        WorkerLost: The others did not come.
    """
    if meeting := _meeting.get():
        hosts = meeting.call({name: getattr(fn_args, name) for name in _TOLD})
        os.environ[TF_CONFIG] = tf_config(hosts, 0)
    several = Workers.of()
    if several and not several.chief and not getattr(fn_args, _INVITED, False):
        raise ValueError(
            f"{TF_CONFIG} says that this is worker {several.index}: only the first is a node of a pipeline"
        )
    return several


def attend(meeting: Meeting, index: int, run_fn: Callable[[Any], None]) -> None:
    """Wait for the chief's call, and train with it. Return at once if there is nothing to train. Nothing is kept.

    Args:
        meeting: Where the workers find each other.
        index: Number of this worker, 1 or more.
        run_fn: Function that trains.

    Raises:
        WorkerLost: The chief did not call, or a worker has ended.
    """
    invitation = meeting.answer(index)
    if invitation is None:
        return
    os.environ[TF_CONFIG] = tf_config(invitation.hosts, index)
    with tempfile.TemporaryDirectory() as folder:
        places = {"serving_model_dir": f"{folder}/model", "model_run_dir": f"{folder}/run"}
        run_fn(SimpleNamespace(**invitation.told, **places, **{_INVITED: True}))


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


def check_step(strategy: tf.distribute.Strategy, step: int) -> None:
    """To be asked by all once they have restored what there was.

    Raises:
        WorkerLost: they stand at different steps.
    """
    if _total(strategy, step) != step * strategy.num_replicas_in_sync:
        raise WorkerLost(
            f"this worker goes on at step {step}, and others elsewhere: they do not see the same checkpoints. "
            "When all are started again, they look again"
        )


def any_says(strategy: tf.distribute.Strategy, said: bool) -> bool:
    """Whether any worker says yes; to be asked by all at the same step."""
    return _total(strategy, said) > 0


def _total(strategy: tf.distribute.Strategy, number: float) -> float:
    """The sum over all replicas of what each worker says."""
    votes = strategy.run(lambda: tf.constant(float(number), tf.float64))
    return float(strategy.reduce(tf.distribute.ReduceOp.SUM, votes, axis=None))


def fit(
    model: keras.Model,
    batches: tf.data.Dataset,
    strategy: tf.distribute.Strategy,
    callbacks: keras.callbacks.CallbackList,
    initial_epoch: int,
    epochs: int,
    steps_per_epoch: int,
) -> None:
    """What Keras's `fit` does, which averages what it must not where there are several workers."""
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
def losses_told() -> Iterator[None]:
    """Within it, what the loss of a worker looks like to TensorFlow is said in words.

    Raises:
        WorkerLost: that is what it was.
    """
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
