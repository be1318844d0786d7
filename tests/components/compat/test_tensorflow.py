"""Tests of the assumptions of `components.compat.tensorflow`, and of the need for it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import tensorflow as tf

from components.compat.tensorflow import change_saved_model, untuned


@pytest.fixture
def exported(tmp_path: Path) -> str:
    module = tf.Module()
    module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([None], name="x")])
    tf.saved_model.save(module, str(tmp_path), signatures=module.double)
    return str(tmp_path)


def test_tensorflow_only_reads_fingerprints() -> None:
    public = [name for name in dir(tf.saved_model.experimental) if "ingerprint" in name]
    assert sorted(public) == ["Fingerprint", "read_fingerprint"]


def test_a_changed_model_loads_and_has_a_fingerprint_of_its_own(exported: str) -> None:
    before = tf.saved_model.experimental.read_fingerprint(exported)

    def rename(model) -> None:
        (graph,) = model.meta_graphs
        for node in graph.object_graph_def.nodes:
            words = node.bare_concrete_function.argument_keywords
            if "x" in words:
                words[:] = ["Viewed Item"]

    change_saved_model(exported, rename)
    after = tf.saved_model.experimental.read_fingerprint(exported)
    assert after.saved_model_checksum != before.saved_model_checksum
    signature = tf.saved_model.load(exported).signatures["serving_default"]
    (answer,) = signature(**{"Viewed Item": tf.constant([2.0])}).values()
    assert answer.numpy().tolist() == [4.0]


def test_tensorflow_renames_an_argument_with_a_space() -> None:
    spec = tf.TensorSpec([None], name="Viewed Item")
    function = tf.function(lambda **columns: columns).get_concrete_function(**{"Viewed Item": spec})
    assert list(function.structured_input_signature[1]) == ["Viewed_Item"]


def test_a_data_set_is_not_tuned_and_nor_is_one_made_of_it() -> None:
    assert tf.data.Dataset.range(3).options().autotune.enabled is None, "TensorFlow tunes data sets by default"
    dataset = untuned(tf.data.Dataset.range(3))
    assert dataset.batch(2).options().autotune.enabled is False
    assert list(dataset.as_numpy_iterator()) == [0, 1, 2]


def test_workers_have_no_setting_for_heartbeats_and_keep_one_that_was_made_before() -> None:
    assert "timeout" not in str(inspect.signature(tf.distribute.MultiWorkerMirroredStrategy))
    source = inspect.getsource(inspect.getmodule(tf.distribute.MultiWorkerMirroredStrategy))  # pyright: ignore[reportArgumentType]
    assert "if context.context().coordination_service is None:" in source
    assert "heartbeat_timeout_in_ms" not in source
