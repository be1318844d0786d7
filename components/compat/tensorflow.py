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


def set_worker_timeout(workers: int, seconds: float) -> None:
    """Set the time without a heartbeat after which TensorFlow ends the training of several workers.

    Reason: TensorFlow declares a worker lost after 10 s, which a short break of the network exceeds. Its public
        interface has no setting for the heartbeats of `MultiWorkerMirroredStrategy`.
    Versions: TensorFlow 2.21.
    Remove when: The strategy has an argument for the timeout.

    Args:
        workers: Number of workers.
        seconds: Time without a heartbeat.
    """
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        heartbeat_timeout_in_ms=round(seconds * 1000),
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=workers)],
    )
