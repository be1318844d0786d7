"""Tests of allowed column names as arguments of an export, called by a model server and from Python."""

from __future__ import annotations

import tempfile

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.names import argument
from components.training.export.arguments import by_name, name_arguments
from tests.drawing import drawn

SETS = [
    ["party", "year"],
    ["Os", "os", "OS"],
    ["class", "None", "given", "columns", "kwargs", "name"],
    ["column_1", "column_0", "Column_2"],
    ["Viewed Item (cm)", "größe", "日本", "_x", "a\\b", "tensor:0", "^a", "1a"],
    ["a/b", "a.c", " ", "x" * 3_000],
]


def check(names: list[str]) -> None:
    values = {name: float(number) for number, name in enumerate(names)}
    columns = dict.fromkeys(names, tf.TensorSpec([None], tf.float32))
    module = tf.Module()
    module.scale = tf.Variable(2.0)  # pyright: ignore
    predict = by_name(lambda c: {n: module.scale * c[n] for n in names}, columns)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, {"predict": predict})
        name_arguments(folder, "predict", columns)
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            signature = tf.compat.v1.saved_model.load(session, ["serve"], folder).signature_def["predict"]
            assert set(signature.inputs) == set(names)
            feed = {signature.inputs[name].name: [value] for name, value in values.items()}
            served = session.run({name: info.name for name, info in signature.outputs.items()}, feed)
        assert {name: value[0] for name, value in served.items()} == {n: 2 * v for n, v in values.items()}
        loaded = tf.saved_model.load(folder)
        answer = loaded.signatures["predict"](**{name: tf.constant([value]) for name, value in values.items()})
        assert {name: float(value[0]) for name, value in answer.items()} == {n: 2 * v for n, v in values.items()}


@pytest.mark.parametrize("names", SETS, ids=lambda names: names[0])
def test_columns_are_arguments_by_their_names(names: list[str]) -> None:
    check(names)


@drawn(10)
@given(
    st.lists(
        st.one_of(st.text(min_size=1), st.text("aA_./-1", min_size=1, max_size=4)).filter(lambda name: name != "self"),
        min_size=1, max_size=4, unique_by=argument,
    )
)  # fmt: skip
def test_all_names_that_a_configuration_accepts_are_arguments(names: list[str]) -> None:
    check(names)
