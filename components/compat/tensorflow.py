"""Private modules of TensorFlow: those below `tensorflow.python` and `tensorflow.core`. Needs only TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.eager import context
from tensorflow.python.saved_model import fingerprinting_utils


def change_saved_model(directory: str, change: Callable[[Any], None]) -> None:
    """Change the graphs of a SavedModel in place, and rewrite its fingerprint.

    Reason: TensorFlow has no public way to rename the arguments of an exported signature. The message type of
        `saved_model.pb` and the writer of `fingerprint.pb` are not public; `tf.saved_model.experimental` only reads.
    Versions: TensorFlow 2.21.
    Remove when: A signature can be exported with arguments of any name.

    Args:
        directory: Directory of the SavedModel.
        change: Function that changes the `SavedModel` message in place.
    """
    path = f"{directory}/saved_model.pb"
    with tf.io.gfile.GFile(path, "rb") as file:
        model = saved_model_pb2.SavedModel.FromString(file.read())
    change(model)
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))
    fingerprinting_utils.write_fingerprint(directory)


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return a dataset without tf.data's autotuning, whose thread can delay the deletion of an iterator.

    Reason: The thread sleeps for up to a minute between two tunings. The deletion of an iterator waits for the thread.
        On a busy machine the thread can miss the signal to end: a training of 25 s took 38 s longer to end. The
        datasets of BigVocab have no parameter to tune.
    Versions: TensorFlow 2.21.
    Remove when: The destructor of `RootDataset::Iterator` no longer waits for the thread.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def watch_workers(workers: int, seconds: float, start_seconds: float) -> None:
    """Set the times after which `MultiWorkerMirroredStrategy` gives up on a worker that does not answer.

    Workers that wait for each other notice a lost one by its missing heartbeats, even if its connections are closed.

    Reason: The strategy configures this service itself, without its times, unless it is configured before. It waits for
        an hour for a worker to start.
    Versions: TensorFlow 2.21.
    Remove when: The strategy has public arguments for these times.

    Args:
        workers: Number of workers.
        seconds: Longest time without a heartbeat.
        start_seconds: Time within which all workers must start.
    """
    job = coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=workers)
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        coordinated_jobs=[job],
        heartbeat_timeout_in_ms=round(1_000 * seconds),
        cluster_register_timeout_in_ms=round(1_000 * start_seconds),
    )
