"""Training and validation examples in the form that the encoder processes: windows, or whole rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import tensorflow as tf

from components.training.data import batches as windows
from components.training.data.layout import Layout
from components.training.data.weights import mean_weight
from components.training.rows import batches as rows


class Examples(ABC):
    """Examples of the train split and the eval split.

    Args:
        train_files: TFRecords (gzip) of Transform, train split.
        eval_files: TFRecords (gzip) of Transform, eval split.
        layout: Layout of an example.
        seed: Seed of the orders and samples.
        replicas: Number of replicas that share each batch.

    Attributes:
        layout: Layout of an example; for rows with several labels or with weights, with the facts that a pass over the
            files finds.
        count: Number of labels to train on in one pass, or of rows with several labels.
        least_batch: Minimum number of labels in a batch.
    """

    count: int
    least_batch: int = 1

    def __init__(
        self, train_files: Sequence[str], eval_files: Sequence[str], layout: Layout, seed: int, replicas: int
    ) -> None:
        self._train_files, self._eval_files = train_files, eval_files
        self.layout, self._seed, self._replicas = layout, seed, replicas
        if layout.weighted:
            self.layout = replace(layout, mean_weight=mean_weight(windows.target_columns(train_files, layout)))

    @abstractmethod
    def training(self, batch: int, batches: int, skip: int) -> tf.data.Dataset:
        """Return the endless training data.

        Args:
            batch: Labels per batch.
            batches: Batches per pass.
            skip: Number of batches to skip at the beginning.
        """

    @abstractmethod
    def validation(self, batch: int, labels: int) -> tf.data.Dataset:
        """Return a fixed random sample of the eval split.

        Args:
            batch: Labels per batch.
            labels: Size of the sample.
        """


class WindowExamples(Examples):
    """Windows of K ids, see `components.training.data.windows`."""

    def __init__(
        self, train_files: Sequence[str], eval_files: Sequence[str], layout: Layout, seed: int, replicas: int
    ) -> None:
        super().__init__(train_files, eval_files, layout, seed, replicas)
        self._size = windows.count_windows(train_files, layout)
        self.count = self._size.windows
        if layout.several_labels:
            # A row whose labels are all outside the vocabulary counts in the eval split.
            of_eval = windows.count_windows(eval_files, layout, known_only=False)
            most = max(self._size.labels, of_eval.labels)
            rows = self._size.windows if layout.baskets else self._size.rows
            self.layout = replace(self.layout, most_labels=most, labeled_rows=rows)

    def training(self, batch: int, batches: int, skip: int) -> tf.data.Dataset:
        """Return batches of windows."""
        return windows.training_batches(
            self._train_files, self.layout, batch, batches, self._seed, skip, self._size.block_rows
        )

    def validation(self, batch: int, labels: int) -> tf.data.Dataset:
        """Return a sample of windows."""
        return windows.validation_batches(self._eval_files, self.layout, batch, labels, self._seed)


class RowExamples(Examples):
    """Whole rows, see `components.training.rows`."""

    def __init__(
        self, train_files: Sequence[str], eval_files: Sequence[str], layout: Layout, seed: int, replicas: int
    ) -> None:
        super().__init__(train_files, eval_files, layout, seed, replicas)
        self._size = rows.count_cuts(self._train_files, self.layout)
        self.count, self.least_batch = self._size.windows, self._size.least_batch

    def training(self, batch: int, batches: int, skip: int) -> tf.data.Dataset:
        """Return batches of rows with about `batch` labels."""
        del batch
        return rows.training_batches(
            self._train_files, self.layout, self._size, batches, self._seed, skip, self._replicas
        )

    def validation(self, batch: int, labels: int) -> tf.data.Dataset:
        """Return a sample of rows."""
        return rows.validation_batches(self._eval_files, self.layout, batch, labels, self._seed, self._replicas)


def examples_of(
    train_files: Sequence[str], eval_files: Sequence[str], layout: Layout, seed: int, replicas: int
) -> Examples:
    """Return the examples in the form that the layout specifies. The arguments are those of `Examples`."""
    form = RowExamples if layout.whole_rows else WindowExamples
    return form(train_files, eval_files, layout, seed, replicas)
