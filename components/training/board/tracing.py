"""Callbacks that record the graph of a training step, and a profile of some steps."""

from __future__ import annotations

import importlib.util
from typing import Any

import keras
import tensorflow as tf

from components.messages.progress import note

_BEFORE = 10
"""Steps before a profile. The first steps trace, allocate memory and fill the queues of the examples."""


class GraphOfStep(keras.callbacks.Callback):
    """Callback that writes the graph of the training step, as the first step traced it.

    Args:
        writer: Writer of the run.
    """

    def __init__(self, writer: tf.summary.SummaryWriter) -> None:
        super().__init__()
        self._writer, self._written = writer, False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the graph after the first step."""
        if not self._written and self.model.step_graph is not None:
            self._written = True
            with self._writer.as_default():
                tf.summary.graph(self.model.step_graph)


class Profile(keras.callbacks.Callback):
    """Callback that profiles some steps, once, not long after the training starts.

    If the training ends earlier, so does the profile.

    Args:
        directory: Folder of the run.
        steps: Number of steps to profile.
        left: Number of steps of the training from now on.
    """

    def __init__(self, directory: str, steps: int, left: int) -> None:
        super().__init__()
        self._directory, self._done, self._running = directory, 0, False
        self._step: tf.profiler.experimental.Trace | None = None
        self._first = max(0, min(_BEFORE, left - steps))
        self._end = self._first + steps

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the profile at its first step."""
        if self._done == self._first:
            tf.profiler.experimental.start(self._directory)
            self._running = True
        if self._running:
            self._step = tf.profiler.experimental.Trace("train", step_num=self._done, _r=1)  # `_r`: a step.
            self._step.__enter__()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the step, and write the profile after its last step."""
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None
        self._done += 1
        if self._done == self._end:
            self._write()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write a profile that is not complete."""
        self._write()

    def _write(self) -> None:
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()


def check_viewer() -> None:
    """Write a note if TensorBoard would not show a profile, because the package `xprof` is missing."""
    if importlib.util.find_spec("xprof") is None:
        note(
            "trainer.profile_steps: TensorBoard shows a profile only with the package xprof: install bigvocab[profile]"
        )
