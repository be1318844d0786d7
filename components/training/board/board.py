"""Writer of the contents of TensorBoard beside the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from components.training.board.distributions import norms, temperatures
from components.training.board.hyperparameters import write_end, write_start
from components.training.board.projector import Table, write_projector
from components.training.board.sample import Sample
from components.training.board.tracing import GraphOfStep, Profile, check_viewer
from components.training.model import VocabularyClassifier


class Board:
    """Writer of predictions, distributions, vectors, hyperparameters, graph and profile of a training.

    The files are in the folder of the run itself. The folders of the curves are its subfolders.

    Args:
        directory: Folder of the run.
        sample: Sample of the eval split.
    """

    def __init__(self, directory: str, sample: Sample) -> None:
        self._directory, self._sample = directory, sample
        self._writer = tf.summary.create_file_writer(directory)

    def start(self, config: Mapping[str, Any]) -> None:
        """Write the hyperparameters of the training.

        Args:
            config: Configuration of the training, nested.
        """
        with self._writer.as_default(0):
            write_start(config)

    def callbacks(self, left: int, profile_steps: int) -> list[keras.callbacks.Callback]:
        """Return the callbacks that record the graph and, with `profile_steps`, a profile.

        Args:
            left: Number of steps of the training from now on.
            profile_steps: Number of steps to profile. 0: no profile.
        """
        found: list[keras.callbacks.Callback] = [GraphOfStep(self._writer)]
        if profile_steps:
            check_viewer()
            found.append(Profile(self._directory, profile_steps, left))
        return found

    def observe(self, model: VocabularyClassifier, step: int) -> None:
        """Write the predictions and distributions of a model.

        Args:
            model: Built model.
            step: Number of steps that the model has been trained for.
        """
        predictions = self._sample.predictions(model)
        with self._writer.as_default(step):
            if predictions is not None:
                tf.summary.text("predictions", predictions.table)
                for name, values in predictions.values.items():
                    tf.summary.histogram(f"predictions/{name}", values)
            for name, values in norms(model).items():
                tf.summary.histogram(f"norms/{name}", values)
            for name, value in temperatures(model).items():
                tf.summary.scalar(f"temperature/{name}", value)
        self._writer.flush()

    def finish(
        self, best: VocabularyClassifier, tables: Sequence[Table], metrics: Mapping[str, float], step: int
    ) -> None:
        """Write the results and the vectors of a training that is exported, and close the file.

        Args:
            best: Model with the best weights, calibrated.
            tables: Tables of vectors.
            metrics: Metrics of the best validation, by name.
            step: Step of the best validation.
        """
        with self._writer.as_default(step):
            for name, value in temperatures(best).items():
                tf.summary.scalar(f"calibrated/{name}", value)
        self.conclude(metrics, step)
        write_projector(self._directory, tables)

    def conclude(self, metrics: Mapping[str, float], step: int) -> None:
        """Write the results of a training, and close the file.

        Args:
            metrics: Metrics of the best validation, by name.
            step: Step of the best validation.
        """
        with self._writer.as_default(step):
            for name, value in metrics.items():
                tf.summary.scalar(f"best/{name}", value)
            write_end()
        self._writer.close()
