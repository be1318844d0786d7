"""Tests of the assumptions of `components.compat.transform`, and of the need for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import analyzer_nodes, analyzers
from tensorflow_transform.beam import analyzer_impls, common

from components.compat import transform
from components.preprocessing import counting


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (analyzer_nodes.VocabularyAccumulate, "vocab_ordering_type input_dtype"),
        (analyzer_nodes.VocabularyMerge, "vocab_ordering_type use_adjusted_mutual_info min_diff_from_avg"),
        (analyzer_nodes.VocabularyPrune, "top_k frequency_threshold input_dtype"),
        (
            analyzer_nodes.VocabularyOrderAndWrite,
            "vocab_filename store_frequency fingerprint_shuffle input_dtype file_format input_is_sorted",
        ),
        (analyzer_nodes.CacheableCombineAccumulate, "combiner"),
        (analyzer_nodes.CacheableCombineMerge, "combiner"),
        (analyzer_nodes.ExtractCombineMergeOutputs, "output_tensor_info_list"),
        (analyzer_nodes._make_label, "cls label"),
        (analyzers.get_vocab_newline_characters_regex, "input_dtype file_format"),
        (analyzers.register_vocab, "sanitized_filename"),
        (analyzers.get_empy_vocabulary_dummy_value, "dtype"),
        (common.register_ptransform, "operation_def_subclass"),
    ],
)
def test_transform_has_the_parts_of_an_analyzer(function: Callable[..., Any], arguments: str) -> None:
    assert set(arguments.split()) <= set(inspect.signature(function).parameters)


def test_transform_hands_every_token_through_beam() -> None:
    assert "_flatten_value_to_list" in analyzer_impls._VocabularyAccumulateImpl.expand.__code__.co_names
    batch = (np.array([b"the", b"the"], object),)
    assert list(analyzer_impls._flatten_value_to_list(batch)) == [b"the", b"the"]


def test_transforms_own_counting_stays_registered() -> None:
    assert _registered(analyzer_nodes.VocabularyAccumulate) is analyzer_impls._VocabularyAccumulateImpl
    assert _registered(transform.CountTokens) is counting._CountInBatches


def test_a_count_is_kept_by_the_analyzer_cache_as_transforms_own_is() -> None:
    ours, its = _operation(transform.CountTokens), _operation(analyzer_nodes.VocabularyAccumulate)
    assert ours.is_partitionable is its.is_partitionable is True
    assert type(ours.cache_coder) is type(its.cache_coder)
    assert ours.label.startswith("CountTokens[")


def test_public_analyzers_take_no_counts_and_give_tensors_alone() -> None:
    assert not [name for name in inspect.signature(tft.vocabulary).parameters if "count" in name]
    with tf.Graph().as_default():
        values = tf.constant([1.0])
        made = tft.experimental.ptransform_analyzer([values], beam.Map(lambda _: 1.0), [tf.float32], [[]])
    assert [type(each) for each in made] == [type(values)]


def _operation(kind):
    return kind(vocab_ordering_type=analyzers._VocabOrderingType.FREQUENCY)


def _registered(kind):
    implementation, _ = common._PTRANSFORM_BY_OPERATION_DEF_SUBCLASS[kind].get_ptransform(None)
    return implementation
