"""Tests of a user's own sub-models: accepted models, and the messages of refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.layers.encoders.shared_submodel.submodel import checked, make
from tests.components.layers.encoders.conftest import inputs
from tests.components.layers.encoders.conftest import make as make_encoder
from tests.drawing import drawn

OWN = """
import keras

def functional(width):
    x = keras.Input((width,))
    return keras.Model(x, keras.layers.Dense(3)(keras.layers.Dropout(0.5)(x)))

def frozen(width):
    inner = keras.layers.Dense(3, trainable=False)
    return keras.Sequential([inner, keras.layers.Dense(2)])

def of_another_width(width):
    x = keras.Input((width + 1,))
    return keras.Model(x, keras.layers.Dense(3)(x))

def two_outputs(width):
    x = keras.Input((width,))
    return keras.Model(x, [keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)])

def normalized(width):
    return keras.Sequential([keras.layers.Dense(3), keras.layers.BatchNormalization()])

def no_layer(width):
    return 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_submodels.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_submodels"


@pytest.mark.parametrize(
    ("layers", "fault"),
    [
        ([{"Dens": {"units": 4}}], "layer 0: keras.layers has no 'Dens'; did you mean 'Dense'?"),
        ([{"Dense": {"unit": 4}}], "layer 0: Dense has no argument 'unit'; did you mean 'units'?"),
        ([{"Dense": {}}], "layer 0: Dense: missing a required argument: 'units'"),
        ([{"Dense": {"units": -1}}], "layer 0: Dense: Received an invalid value for `units`"),
        ([{"Dense": {"units": 4, "activation": "rellu"}}], "layer 0: Dense: Could not interpret activation function"),
        ([{"Dense": {"units": 4}, "Dropout": {}}], "layer 0: expected one layer with its arguments"),
        ([{"Dense": 4}], "layer 0: expected arguments by name, as in {Dense: {}} (found 4)"),
        (["Flatten"], "layer 0: expected one layer with its arguments"),
        ([], "expected a list of layers"),
        ({"Dense": {"units": 4}}, "expected a list of layers"),
        ([{"Flatten": {}}, {"Conv1D": {"filters": 2, "kernel_size": 2}}], "layer 1 (Conv1D) cannot be applied here"),
        ([{"Reshape": {"target_shape": [2, 3]}}], "gives (None, 2, 3) for (None, 6): (None, any width) is needed"),
        ([{"Dense": {"units": 4}}, {"BatchNormalization": {}}], "layer 1 (BatchNormalization) changes a state"),
        ([{"Dense": {"units": 4, "kernel_regularizer": "l2"}}], "layer 0 (Dense) has a regularizer"),
        ([{"Dense": {"units": 4, "activity_regularizer": "l1"}}], "layer 0 (Dense) has a regularizer"),
        ("nowhere:f", "No module named 'nowhere'; the module has to be installed, or on PYTHONPATH"),
        ("os.path", "'os.path' is not package.module:function"),
        ("os.path:joinn", "os.path has no function 'joinn'; did you mean 'join'?"),
    ],
)
def test_a_wrong_submodel_is_refused(layers: Any, fault: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are compared below
        checked(layers, 6)
    assert fault in str(error.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"layer 0: .*'Dense'.*layer 2: Dense has no argument"):
        checked([{"Dens": {"units": 3}}, {"Flatten": {}}, {"Dense": {"unit": 3}}], 6)


@given(units=st.lists(st.integers(1, 9), min_size=1, max_size=3), width=st.integers(1, 9))
@drawn(15)
def test_gives_what_the_last_layer_gives(units: list[int], width: int) -> None:
    layers = [{"Dense": {"units": n}} for n in units]
    assert checked(layers, width) == layers
    submodel, given_width = make(layers, width, 1)
    assert given_width == units[-1]
    assert submodel(np.ones((4, width), np.float32)).shape == (4, units[-1])
    assert [v.shape for v in submodel.trainable_variables[::2]] == [
        (a, b) for a, b in zip([width, *units], units, strict=False)
    ]


def test_a_layer_keeps_the_seed_it_was_given() -> None:
    layers = [{"Dense": {"units": 3, "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": 7}}}}]
    (kernel, _), (other, _) = (make(layers, 4, seed)[0].get_weights() for seed in (1, 2))
    np.testing.assert_array_equal(kernel, other)


def test_a_function_of_ones_own(own: str) -> None:
    path = f"{own}:functional"
    assert checked(path, 6) == path
    encoder: Any = make_encoder("submodel, concat", submodel=path, seed=4)
    assert isinstance(encoder.submodel, keras.Model)
    windows = inputs([[1, 2, 3], [4, 5, 6]], np.random.default_rng(0))
    first = encoder(windows, dropout_seed=np.array([1, 2]))
    assert (first != encoder(windows, dropout_seed=np.array([1, 3]))).numpy().any()
    again = make_encoder("submodel, concat", submodel=path, seed=4)
    np.testing.assert_array_equal(again(windows), encoder(windows))


def test_a_frozen_layer_is_no_state(own: str) -> None:
    submodel, width = make(f"{own}:frozen", 4, 1)
    assert width == 2
    assert len(submodel.trainable_variables) == 2
    assert len(submodel.weights) == 4


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("of_another_width", "cannot be applied here"),
        ("two_outputs", "(None, any width) is needed"),
        ("normalized", "(BatchNormalization) changes a state at every step"),
        ("no_layer", "gave a int, not a Keras layer or model"),
    ],
)
def test_a_wrong_function_is_refused_by_its_name(own: str, name: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"submodel: {own}:{name}") as error:
        make(f"{own}:{name}", 4, 1)
    assert fault in str(error.value)
