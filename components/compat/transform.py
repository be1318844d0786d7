"""TensorFlow Transform: the graph of analyzers behind functions such as `tft.vocabulary`, and its execution by Beam.

Reason: `tft.vocabulary` counts again for each file that it writes, and passes every token through Beam. The analyzers
    of `tft.experimental` return only tensors, so their accumulators cannot be written to a vocabulary file.
Versions: Transform 1.21.
Remove when: `tft.vocabulary` counts one batch at a time, and accepts existing counts or those of an analyzer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tensorflow_transform import analyzer_nodes, analyzers, nodes
from tensorflow_transform.beam import common

Combiner = analyzer_nodes.Combiner
Node = nodes.ValueNode
Operation = nodes.OperationDef
TensorInfo = analyzer_nodes.TensorInfo

_ORDER = analyzers._VocabOrderingType.FREQUENCY


class CountTokens(analyzer_nodes.VocabularyAccumulate):
    """Operation from the distinct tokens of batches, with their counts, to pairs of a token and its count.

    Reason: Transform executes `VocabularyAccumulate` one token at a time. A subclass can have its own Beam transform,
        and leaves `VocabularyAccumulate` unchanged.
    Versions: Transform 1.21.
    Remove when: Transform counts one batch at a time.
    """

    __slots__ = ()


def carries_out(operation: type[Operation]) -> Callable[[type[beam.PTransform]], type[beam.PTransform]]:
    """Return a decorator for the Beam transform, created with `(operation, extra_args)`, that executes an operation."""
    return common.register_ptransform(operation)


def applied(operation: type[Operation], *inputs: Node, **fields: Any) -> Node:
    """Apply an operation with a field `label`, the name of the operation and of its scope in the graph."""
    return nodes.apply_operation(operation, *inputs, label=analyzer_nodes._make_label(operation), **fields)


def token_counts(tokens: tf.SparseTensor) -> Node:
    """Count tokens over the analyzed data.

    Args:
        tokens: (batch, length) strings. Empty tokens and tokens with line breaks are not counted.

    Returns:
        Pairs of a count and a token.
    """
    # Beam and Python get only distinct tokens: objects of all tokens would take most of the time.
    distinct, _, counts = tf.unique_with_counts(tokens.values, out_idx=tf.int64)
    not_a_line = analyzers.get_vocab_newline_characters_regex(tf.string, "text")
    kept = tf.where(tf.logical_not(tf.strings.regex_full_match(distinct, not_a_line)))
    # `tf.boolean_mask` would find the places twice, with several times the operations, traced for each column.
    of_batch = [tf.gather_nd(each, kept) for each in (distinct, counts)]
    counted = nodes.apply_operation(
        CountTokens,
        analyzer_nodes.get_input_tensors_value_nodes(of_batch),
        vocab_ordering_type=_ORDER,
        input_dtype=tf.string.name,
    )
    return nodes.apply_operation(
        analyzer_nodes.VocabularyMerge,
        counted,
        vocab_ordering_type=_ORDER,
        use_adjusted_mutual_info=False,
        min_diff_from_avg=None,
    )


def most_frequent(counts: Node, size: int, min_count: int) -> Node:
    """Keep the tokens with the highest counts.

    Args:
        counts: Pairs from `token_counts`.
        size: Greatest number of tokens to keep.
        min_count: Least count of a token to keep.

    Returns:
        Pairs of a count and a token, the highest count first. Equal counts are in descending byte order of the tokens.
    """
    return nodes.apply_operation(
        analyzer_nodes.VocabularyPrune,
        counts,
        top_k=size,
        frequency_threshold=min_count,
        input_dtype=tf.string.name,
    )


def sorted_file(lines: Node, name: str) -> tf.Tensor:
    """Write pairs of a count and a text to a file, as `tft.vocabulary` does.

    Args:
        lines: Sorted pairs.
        name: Name of the file.

    Returns:
        Path of the file, for `tft.apply_vocabulary`.
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
    return as_tensor(file)


def empty_file_line() -> tuple[int, bytes]:
    """Return the count and the token of the only line in the file of an empty vocabulary."""
    return analyzers.get_empy_vocabulary_dummy_value(tf.string)


def combined(values: Sequence[tf.Tensor], combiner: Combiner) -> tuple[Node, Node]:
    """Combine values over the analyzed data, with accumulators that the analyzer cache keeps.

    Args:
        values: (n,) tensors.
        combiner: Combiner of the values, with one output.

    Returns:
        Accumulators, and output of the combiner.
    """
    inputs = analyzer_nodes.get_input_tensors_value_nodes(values)
    (parts,) = nodes.apply_multi_output_operation(analyzer_nodes.CacheableCombineAccumulate, inputs, combiner=combiner)
    merged = nodes.apply_multi_output_operation(analyzer_nodes.CacheableCombineMerge, parts, combiner=combiner)
    (output,) = nodes.apply_multi_output_operation(
        analyzer_nodes.ExtractCombineMergeOutputs, *merged, output_tensor_info_list=combiner.output_tensor_infos()
    )
    return parts, output


def as_tensor(node: Node) -> tf.Tensor:
    """Return the tensor that represents the result of an analyzer in the graph."""
    return analyzer_nodes.wrap_as_tensor(node)
