"""Vocabularies, as `tft.vocabulary` makes them, but counted a batch at a time, and once for several files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.pvalue import PValue
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from numpy.typing import NDArray

from components.compat import transform

_HELD = 1 << 20


class Counted:
    """Counts of the tokens in the analyzed data.

    `tft.vocabulary` counts for each file that it writes. These counts serve any number of files. They are made of
    Transform's own analyzers, so its analyzer cache keeps them.

    Args:
        tokens: (batch, length) strings, escaped: Transform does not count empty ones and those with line breaks.
        name: of the counts, unlike any other's.
    """

    def __init__(self, tokens: tf.SparseTensor, name: str) -> None:
        with tf.name_scope(name):
            self._counts = transform.token_counts(tokens)

    def file(self, name: str, size: int, min_count: int = 1) -> tf.Tensor:
        """Write a vocabulary: lines "count token", the most frequent first, of equals the last by its bytes.

        Args:
            name: of the file.
            size: the most lines.
            min_count: tokens with a lower count are left out.

        Returns:
            The file's path, for `tft.apply_vocabulary`.
        """
        with tf.name_scope(name):
            return transform.sorted_file(transform.most_frequent(self._counts, size, min_count), name)


@transform.carries_out(transform.CountTokens)
class _CountInBatches(beam.PTransform):
    """Counting of whole batches: handing every token through Beam takes most of the time of a vocabulary."""

    def __init__(self, operation: transform.CountTokens, extra_args: Any) -> None:
        super().__init__()

    def expand(self, input_or_inputs: tuple[beam.PCollection, ...]) -> PValue:
        (batches,) = input_or_inputs
        return batches | "CountInBatches" >> beam.ParDo(_CountTokens()) | "SumPerToken" >> beam.CombinePerKey(sum)


class _CountTokens(beam.DoFn):
    """(tokens,) of a batch -> (token, count), a token once for many batches."""

    def start_bundle(self) -> None:
        self._counts: Counter[Any] = Counter()

    def process(self, element: tuple[NDArray[np.object_]]) -> Iterator[tuple[Any, int]]:
        self._counts.update(element[0].tolist())
        if len(self._counts) > _HELD:
            yield from self._counts.items()
            self._counts = Counter()

    def finish_bundle(self) -> Iterator[WindowedValue]:  # pyright: ignore[reportIncompatibleMethodOverride]
        window = GlobalWindow()
        end, windows = window.max_timestamp(), (window,)
        return (WindowedValue(pair, end, windows) for pair in self._counts.items())
