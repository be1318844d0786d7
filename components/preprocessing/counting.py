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
from tensorflow_transform import analyzer_nodes, analyzers, nodes, tf_utils
from tensorflow_transform.beam import analyzer_impls, common

_ORDER = analyzers._VocabOrderingType.FREQUENCY
_HELD = 1 << 20


class Counted:
    """Tokens and how often each stands in the analyzed data.

    `tft.vocabulary` counts for each file that it writes; the counts here serve any number of files. They are made of
    Transform's own analyzers, so its analyzer cache knows them.

    Args:
        tokens: (batch, length) strings, escaped: Transform does not count empty ones and those with line breaks.
        name: of the counts, unlike any other's.
    """

    def __init__(self, tokens: tf.SparseTensor, name: str) -> None:
        with tf.name_scope(name):
            no_lines = analyzers.get_vocab_newline_characters_regex(tf.string, "text")
            values = tf_utils.reduce_batch_weighted_counts(tokens, filter_regex=no_lines).unique_x
            counted = nodes.apply_operation(
                analyzer_nodes.VocabularyAccumulate,
                analyzer_nodes.get_input_tensors_value_nodes([values]),
                vocab_ordering_type=_ORDER,
                input_dtype=tf.string.name,
            )
            self._counts = nodes.apply_operation(
                analyzer_nodes.VocabularyMerge,
                counted,
                vocab_ordering_type=_ORDER,
                use_adjusted_mutual_info=False,
                min_diff_from_avg=None,
            )

    def file(self, name: str, size: int, min_count: int = 1) -> tf.Tensor:
        """A vocabulary: an asset of lines "count token", the most frequent first, of equals the last by its bytes.

        Args:
            name: of the file.
            size: the most lines.
            min_count: tokens that were counted less often are left out.

        Returns:
            The file's path, for `tft.apply_vocabulary`.
        """
        with tf.name_scope(name):
            kept = nodes.apply_operation(
                analyzer_nodes.VocabularyPrune,
                self._counts,
                top_k=size,
                frequency_threshold=min_count,
                input_dtype=tf.string.name,
            )
            return write_sorted(kept, name)


def write_sorted(lines: nodes.ValueNode, name: str) -> tf.Tensor:
    """Write pairs of a count and a text to a file, as `tft.vocabulary` does.

    Args:
        lines: the node of the pairs, sorted.
        name: of the file.

    Returns:
        The file's path, for `tft.apply_vocabulary`.
    """
    file = nodes.apply_operation(
        analyzer_nodes.VocabularyOrderAndWrite,
        lines,
        vocab_filename=name,
        store_frequency=True,
        fingerprint_shuffle=False,
        input_dtype=tf.string.name,
        file_format="text",
        input_is_sorted=True,
    )
    analyzers.register_vocab(name)
    return analyzer_nodes.wrap_as_tensor(file)


@common.register_ptransform(analyzer_nodes.VocabularyAccumulate)
class _CountInBatches(analyzer_impls._VocabularyAccumulateImpl):
    """In the place of Transform's own, which hands every token through Beam: most of the time of a vocabulary."""

    def expand(self, inputs: tuple[beam.PCollection, ...]) -> PValue:
        if self._vocab_ordering_type != _ORDER:
            return super().expand(inputs)
        (batches,) = inputs
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
