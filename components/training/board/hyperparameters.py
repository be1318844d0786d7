"""Hyperparameters of a training for TensorBoard's tab HParams."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.choices import leaves

Value = bool | int | float | str


def flattened(config: Mapping[str, Any]) -> dict[str, Value]:
    """Return the values of a nested configuration by dotted key. Keys without a value are left out.

    A list is one value, written as JSON.
    """
    return {
        ".".join(key): value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for key, value in leaves(config)
        if value is not None and value != {}
    }


def write_start(config: Mapping[str, Any]) -> None:
    """Write the hyperparameters of a training that starts, with the default writer.

    TensorBoard finds the metrics itself: all curves in the folder of the writer and below it.
    """
    from tensorboard.plugins.hparams import api

    api.hparams(flattened(config))


def write_end() -> None:
    """Mark the training as complete, with the default writer."""
    from tensorboard.plugins.hparams import api_pb2, summary

    ended = summary.session_end_pb(api_pb2.STATUS_SUCCESS)
    tf.summary.experimental.write_raw_pb(ended.SerializeToString(), step=0)
