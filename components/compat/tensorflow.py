"""TensorFlow: modules below `tensorflow.python` and `tensorflow.core`. Needs TensorFlow alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.saved_model import fingerprinting_utils


def change_saved_model(directory: str, change: Callable[[Any], None]) -> None:
    """Change the graphs of a SavedModel in place, and write its fingerprint anew.

    Reason: TensorFlow has no public way to rename the arguments of an exported signature. The message type of
        `saved_model.pb` and the writer of `fingerprint.pb` are not public; `tf.saved_model.experimental` only reads.
    Versions: TensorFlow 2.21.
    Remove when: a signature can be exported with arguments of any name.

    Args:
        directory: of the SavedModel.
        change: takes its `SavedModel` message, and changes it.
    """
    path = f"{directory}/saved_model.pb"
    with tf.io.gfile.GFile(path, "rb") as file:
        model = saved_model_pb2.SavedModel.FromString(file.read())
    change(model)
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))
    fingerprinting_utils.write_fingerprint(directory)


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return a data set without tf.data's autotuning, whose thread can delay the deletion of an iterator.

    Reason: the thread sleeps between two tunings for up to a minute. The deletion of an iterator waits for it, and on a
        busy machine it misses the signal to end: the end of a training of 25 s took 38 s more. The data sets of
        BigVocab have no parameter to tune.
    Versions: TensorFlow 2.21.
    Remove when: the destructor of `RootDataset::Iterator` no longer waits for the thread.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
