"""Workers: processes, on one machine or several, that train one model together.

Each worker reads the addresses of all workers from `TF_CONFIG`, in TensorFlow's format: `{"cluster": {"worker":
["host:port", ...]}, "task": {"type": "worker", "index": 0}}`. The first worker is the chief: only the chief is a node
of the pipeline, and writes files. The chief calls the other workers to the training, see
`components.training.devices.rendezvous`. All workers hold the same weights at all times.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

from components.compat.tensorflow import watch_workers
from components.training.devices.rendezvous import Rendezvous, WorkerLost

TF_CONFIG = "TF_CONFIG"
# Steps between two votes of the workers on saving a checkpoint. Each vote costs each worker a message.
ASKED_STEPS = 20
# Time for the start of all workers, in multiples of the time for an answer: their devices may take a minute.
_START = 5
_INVITED = "invited"
_ARGUMENTS = ("train_files", "eval_files", "transform_output", "base_model", "custom_config", "hyperparameters")
# Errors that TensorFlow raises in the other workers when a worker ends or cannot be reached.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


@dataclass(frozen=True)
class Workers:
    """Workers of a training.

    Attributes:
        hosts: `host:port` of all workers, the chief first.
        index: Number of this worker; 0 for the chief.
    """

    hosts: tuple[str, ...]
    index: int

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Workers | None:
        """Return the workers named in `TF_CONFIG`, or None if this process trains alone.

        Args:
            environment: Environment variables.

        Raises:
            ValueError: `TF_CONFIG` is malformed, or names tasks other than workers.
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
        """True if this process is the chief, the only worker that writes files."""
        return self.index == 0


def tf_config(hosts: Sequence[str], index: int) -> str:
    """Return the value of `TF_CONFIG` for a worker.

    Args:
        hosts: `host:port` of all workers, the chief first.
        index: Number of the worker.

    Raises:
        ValueError: `index` is not the number of a worker.
    """
    if not 0 <= index < len(hosts):
        raise ValueError(f"worker {index} does not exist: there are {len(hosts)}")
    return json.dumps({"cluster": {"worker": list(hosts)}, "task": {"type": "worker", "index": index}})


_rendezvous: ContextVar[Rendezvous | None] = ContextVar("rendezvous", default=None)


@contextlib.contextmanager
def calling(rendezvous: Rendezvous) -> Iterator[None]:
    """Return a context within which `gather` first calls the other workers.

    The context replaces an argument of `run_fn`, to which TFX passes only its own arguments.

    Args:
        rendezvous: Rendezvous of the workers.
    """
    token = _rendezvous.set(rendezvous)
    try:
        yield
    finally:
        _rendezvous.reset(token)


def gather(fn_args: Any) -> Workers | None:
    """Return the workers of a training, or None if this process trains alone.

    Within `calling`, the chief first calls the other workers.

    Args:
        fn_args: `tfx.components.FnArgs`, or the arguments that `attend` constructs.

    Raises:
        ValueError: `TF_CONFIG` is malformed, or this process is a worker that the chief did not call.
        WorkerLost: The other workers did not answer.
    """
    if rendezvous := _rendezvous.get():
        hosts = rendezvous.call({name: getattr(fn_args, name) for name in _ARGUMENTS})
        os.environ[TF_CONFIG] = tf_config(hosts, 0)
    several = Workers.of()
    if several and not several.chief and not getattr(fn_args, _INVITED, False):
        raise ValueError(
            f"{TF_CONFIG} says that this is worker {several.index}: only the first is a node of a pipeline"
        )
    return several


def attend(rendezvous: Rendezvous, index: int, run_fn: Callable[[Any], None]) -> None:
    """Wait for the chief's call, and train with the chief.

    Return without training if the chief has nothing to train. Discard the outputs of this worker.

    Args:
        rendezvous: Rendezvous of the workers.
        index: Number of this worker, 1 or higher.
        run_fn: Function that trains.

    Raises:
        WorkerLost: The chief did not call, or a worker has ended.
    """
    invitation = rendezvous.answer(index)
    if invitation is None:
        return
    os.environ[TF_CONFIG] = tf_config(invitation.hosts, index)
    with tempfile.TemporaryDirectory() as folder:
        places = {"serving_model_dir": f"{folder}/model", "model_run_dir": f"{folder}/run"}
        run_fn(SimpleNamespace(**invitation.arguments, **places, **{_INVITED: True}))


def make_strategy(gpus: bool, timeout: float) -> tf.distribute.Strategy:
    """Return the strategy of all workers named in `TF_CONFIG`, after waiting for all workers.

    Must be called before anything uses TensorFlow's devices.

    Args:
        gpus: True if the workers have GPUs.
        timeout: Seconds after which a worker that does not answer counts as lost.

    Raises:
        WorkerLost: Not all workers started in time.
    """
    several = Workers.of()
    watch_workers(len(several.hosts) if several else 1, timeout, _START * timeout)
    kinds = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(implementation=kinds.NCCL if gpus else kinds.RING)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except RuntimeError as error:
        if "Timeout waiting for the cluster" not in str(error):
            raise
        raise WorkerLost(
            f"not all workers started within {_START * timeout:.0f} s ({_START} times trainer.worker_timeout), "
            "although all had answered: the log of the others says why"
        ) from error


def are_several(strategy: tf.distribute.Strategy) -> bool:
    """Return True if a strategy spans several workers, not only the devices of this process."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def shared_out(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Return a data set of whole batches that TensorFlow shards by data: each worker reads its share of each batch."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batches.with_options(options)


def check_step(strategy: tf.distribute.Strategy, step: int) -> None:
    """Check that all workers resume at the same step.

    All workers must call this function, after they have restored their checkpoints.

    Args:
        strategy: Strategy of the workers.
        step: Step at which this worker resumes.

    Raises:
        WorkerLost: The workers resume at different steps.
    """
    if _total(strategy, step) != step * strategy.num_replicas_in_sync:
        raise WorkerLost(
            f"this worker goes on at step {step}, and others elsewhere: they do not see the same checkpoints. "
            "When all are started again, they look again"
        )


def any_says(strategy: tf.distribute.Strategy, said: bool) -> bool:
    """Return True if any worker passes True. All workers must call this function at the same step."""
    return _total(strategy, said) > 0


def _total(strategy: tf.distribute.Strategy, number: float) -> float:
    """Return the sum, over all replicas, of the number that each worker passes."""
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
    """Train a model with several workers, otherwise like Keras's `fit`.

    With several workers, Keras's `fit` averages values that must not be averaged.
    """
    iterator = iter(strategy.experimental_distribute_dataset(shared_out(batches)))
    model.stop_training = False
    callbacks.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        for metric in model.metrics:
            metric.reset_state()
        callbacks.on_epoch_begin(epoch)
        for step in range(steps_per_epoch):
            callbacks.on_train_batch_begin(step)  # A callback may select another training function.
            callbacks.on_train_batch_end(step, model.make_train_function()(iterator))
        callbacks.on_epoch_end(epoch, model.get_metrics_result())
        if model.stop_training:
            break
    callbacks.on_train_end()


@contextlib.contextmanager
def worker_errors(several: Workers, timeout: float, resume: Callable[[], str]) -> Iterator[None]:
    """Return a context that converts TensorFlow's errors about an unreachable worker to `WorkerLost`.

    Args:
        several: The workers.
        timeout: Seconds after which a worker that does not answer counts as lost.
        resume: Function that returns a sentence about the step at which the training resumes.

    Raises:
        WorkerLost: Another worker has ended, or cannot be reached.
    """
    try:
        yield
    except _LOST as error:
        raise WorkerLost(f"{lost(several, timeout, str(error))}. {resume()}") from error


def lost(several: Workers, timeout: float, error: str) -> str:
    """Return a clause that names the lost worker.

    Args:
        several: The workers.
        timeout: Seconds after which a worker that does not answer counts as lost.
        error: Text of TensorFlow's error.
    """
    # A worker that misses the answers of the chief gets an error that names the call, and not the chief.
    silent = "stopped sending heartbeats" in error or "CoordinationService/Heartbeat" in error
    named = {int(task) for task in re.findall(r"/task:(\d+)", error)} - {several.index}
    if silent and not named:
        named = {0} - {several.index}
    index = min(named) if len(named) == 1 else len(several.hosts)
    who = f"worker {index} at {several.hosts[index]}" if index < len(several.hosts) else "another worker"
    if silent:
        return f"{who} has not answered for {timeout:g} s: it has ended, or its host or the network is down"
    cause = next((line.strip() for line in error.splitlines() if "aborted by" in line), error.strip().splitlines()[0])
    return f"{who} has ended or cannot be reached: its own log says why ({cause})"


def train_function(model: keras.Model, strategy: tf.distribute.Strategy) -> Callable[[Any], Any]:
    """Return a function that runs a training step on an iterator, like Keras's training function.

    The logs of a step are those of the first replica of this process.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def step(iterator: Any) -> Any:
        logs = strategy.run(model.train_step, args=(next(iterator),))
        return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], logs)

    return step
