"""Vocabularies like those of `tft.vocabulary`, but counted a batch at a time, and once for several files."""

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

    `tft.vocabulary` counts anew for each file that it writes. These counts serve any number of files. They use
    Transform's own analyzers, so Transform's analyzer cache keeps them.

    Args:
        tokens: Escaped strings, shape (batch, length). Transform does not count empty strings or those with line
            breaks.
        name: Unique name of the counts.
    """

    def __init__(self, tokens: tf.SparseTensor, name: str) -> None:
        with tf.name_scope(name):
            self._counts = transform.token_counts(tokens)

    def file(self, name: str, size: int, min_count: int = 1) -> tf.Tensor:
        """Write a vocabulary with lines "count token", most frequent first, equal counts in descending byte order.

        Args:
            name: Name of the file.
            size: Maximum number of lines.
            min_count: Minimum count. Rarer tokens are left out.

        Returns:
            Path of the file, for `tft.apply_vocabulary`.
        """
        with tf.name_scope(name):
            return transform.sorted_file(transform.most_frequent(self._counts, size, min_count), name)


@transform.carries_out(transform.CountTokens)
class _CountInBatches(beam.PTransform):
    """Transform that counts whole batches. Most of a vocabulary's time goes into passing single tokens through Beam."""

    def __init__(self, operation: transform.CountTokens, extra_args: Any) -> None:
        super().__init__()

    def expand(self, input_or_inputs: tuple[beam.PCollection, ...]) -> PValue:
        (batches,) = input_or_inputs
        return batches | "CountInBatches" >> beam.ParDo(_CountTokens()) | "SumPerToken" >> beam.CombinePerKey(sum)


class _CountTokens(beam.DoFn):
    """DoFn from the distinct tokens of a batch and their counts to pairs (token, count), summed over many batches."""

    def start_bundle(self) -> None:
        self._counts: Counter[Any] = Counter()

    def process(self, element: tuple[NDArray[np.object_], NDArray[np.int64]]) -> Iterator[tuple[Any, int]]:
        tokens, counts = (each.tolist() for each in element)
        self._counts.update(dict(zip(tokens, counts, strict=True)))
        if len(self._counts) > _HELD:
            yield from self._counts.items()
            self._counts = Counter()

    def finish_bundle(self) -> Iterator[WindowedValue]:  # pyright: ignore[reportIncompatibleMethodOverride]
        window = GlobalWindow()
        end, windows = window.max_timestamp(), (window,)
        return (WindowedValue(pair, end, windows) for pair in self._counts.items())
