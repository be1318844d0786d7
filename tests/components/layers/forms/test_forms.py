"""Tests of the contract of all forms of the loss: the built-in forms and a user's own."""

from __future__ import annotations

from typing import Any, get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers.crossentropy import SampledCrossentropy
from components.layers.forms.base import Form, Step
from components.layers.forms.full import Full
from components.layers.forms.names import FormName
from components.layers.forms.own import Own
from components.layers.forms.registry import FORMS
from components.layers.forms.sampled import Sampled
from components.layers.head import SampledSoftmax, step_seed
from components.layers.losses.one_label import full_loss

COUNTS = [400, 200, 100, 50, 25, 12, 6, 3, 2, 2]
WIDTH = 4


@keras.saving.register_keras_serializable("made_up_forms")
class Margin(Form):
    """Full softmax that subtracts a margin from the logit of the label."""

    def __init__(self, margin: float) -> None:
        self.margin = margin

    def losses(self, step: Step) -> tf.Tensor:
        table, bias = step.all_rows()
        logits = tf.matmul(step.hidden, table, transpose_b=True) + bias
        logits -= self.margin * tf.one_hot(step.labels, logits.shape[1])
        return tf.nn.sparse_softmax_cross_entropy_with_logits(step.labels, logits)

    def get_config(self) -> dict[str, Any]:
        return {"margin": self.margin}


def head_of(form: FormName | Form, negatives: int = 5, **options: Any) -> SampledSoftmax:
    head = SampledSoftmax(COUNTS, negatives, form=form, **options)
    head.build((None, WIDTH))
    head.table.assign(np.random.default_rng(0).normal(size=(len(COUNTS), WIDTH)))
    return head


def random_batch(rows: int = 7) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(1)
    labels = tf.constant(np.r_[rng.integers(0, len(COUNTS), rows - 1), -1], tf.int32)
    return tf.constant(rng.normal(size=(rows, WIDTH)), tf.float32), labels


def test_every_name_but_auto_is_a_form() -> None:
    assert [name for name in get_args(FormName) if name != "auto"] == list(FORMS)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("fixed_shape", [False, True])
def test_the_contract_of_every_form(name: str, fixed_shape: bool) -> None:
    form = FORMS[name]()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(form))
    assert type(again) is type(form)
    hidden, labels = random_batch()
    losses, gradients = [], []
    for each, seed in ((form, 0), (again, 0), *((form, seed) for seed in range(1, 6))):
        head = head_of(each, fixed_shape=fixed_shape)
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            loss = head.sampled_loss(hidden, labels, step_seed(1, seed))
        losses.append(loss.numpy())
        gradients = tape.gradient(loss, [hidden, head.table.value, head.bias.value])
        assert loss.shape == (7,)
        assert loss.dtype == tf.float32
        assert (losses[-1][:-1] > 0).all()
        # The last row is outside the vocabulary.
        assert losses[-1][-1] == 0.0
        assert not tf.convert_to_tensor(gradients[0])[-1].numpy().any()
        assert all(np.isfinite(tf.convert_to_tensor(gradient)).all() for gradient in gradients)
    # All random draws follow from the seed.
    np.testing.assert_array_equal(losses[0], losses[1])
    assert all(np.array_equal(losses[0], loss) for loss in losses) == (name == "full")
    # A step over a sample has no tensor of the size of the table.
    assert all(isinstance(gradient, tf.IndexedSlices) == issubclass(FORMS[name], Sampled) for gradient in gradients[1:])


@pytest.mark.parametrize("form", [*FORMS, Margin(0.0)])
def test_a_form_estimates_the_full_softmax(form: FormName | Form) -> None:
    hidden, labels = random_batch()
    # With as many draws as classes, a form given as an instance is used unchanged.
    head = head_of(form, len(COUNTS))
    full = full_loss(hidden, head.table.value, head.bias.value, tf.maximum(labels, 0))
    expected = tf.where(labels >= 0, full, 0.0)
    np.testing.assert_allclose(head.sampled_loss(hidden, labels, step_seed(1, 0)), expected, rtol=1e-5)


@pytest.mark.parametrize("name", FORMS)
def test_xla_compiles_the_forms_that_say_so(name: str) -> None:
    hidden, labels = random_batch()
    head = head_of(FORMS[name](), fixed_shape=True)
    assert head.supports_jit
    compiled = tf.function(head.sampled_loss, jit_compile=True)
    eager = head.sampled_loss(hidden, labels, step_seed(1, 0))
    np.testing.assert_allclose(compiled(hidden, labels, step_seed(1, 0)), eager, rtol=1e-4, atol=1e-6)


def test_an_instance_is_used_as_it_is_and_asks_for_xla_itself() -> None:
    form = Margin(0.5)
    head = head_of(form, 100, fixed_shape=True)
    assert head.training_form is form
    assert not head.supports_jit
    assert type(head_of(Own(), 100).training_form) is Own
    assert type(head_of("own", 100).training_form) is Full


@pytest.mark.slow
def test_a_form_of_ones_own_trains_and_is_saved_with_its_model(tmp_path: Any) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(48, WIDTH)).astype(np.float32), rng.integers(0, len(COUNTS), 48)

    def trained(form: FormName | Form) -> keras.Model:
        inputs = keras.Input((WIDTH,))
        model = keras.Model(inputs, SampledSoftmax(COUNTS, 5, form=form, seed=1, name="head")(inputs))
        model.compile(keras.optimizers.SGD(0.5), SampledCrossentropy())
        model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
        return model

    model = trained(Margin(2.0))
    assert np.abs(model.predict(x, verbose=0) - trained("full").predict(x, verbose=0)).max() > 0.01
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_layer("head").form.margin == 2.0
    assert again.get_layer("head").get_config() == model.get_layer("head").get_config()
    for each in (model, again):
        each.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    np.testing.assert_array_equal(*(each.predict(x, verbose=0) for each in (model, again)))

    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(exported.serve(x), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


class Scalar(Form):
    def losses(self, step: Step) -> tf.Tensor:
        return tf.reduce_mean(step.hidden)


class Column(Form):
    def losses(self, step: Step) -> tf.Tensor:
        return step.hidden[:, :1]


class Rough(Form):
    def losses(self, step: Step) -> tf.Tensor:
        return tf.cast(step.hidden[:, 0], tf.bfloat16)


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        (Scalar(), r"Scalar.losses\(\) returned float32 of shape \(\): it must return one float32 number per row"),
        (Column(), r"Column.losses\(\) returned float32 of shape \(7, 1\)"),
        (Rough(), r"Rough.losses\(\) returned bfloat16 of shape \(7,\)"),
    ],
)
def test_losses_of_another_shape_or_type_are_refused(form: Form, fault: str) -> None:
    hidden, labels = random_batch()
    with pytest.raises(ValueError, match=fault):
        head_of(form).sampled_loss(hidden, labels, step_seed(1, 0))


@pytest.mark.parametrize("form", [Own, Form, None, 3, "my_package.losses:Smoothed"])
def test_what_is_no_form_is_refused(form: Any) -> None:
    with pytest.raises(ValueError, match="it must be one of auto, shared, own, full, or an instance of a Form"):
        SampledSoftmax(COUNTS, 5, form=form)


class Forgetful(Own):
    def __init__(self, share: float) -> None:
        self.share = share


def test_arguments_that_would_be_lost_when_saved_are_reported() -> None:
    head = SampledSoftmax(COUNTS, 5, form=Forgetful(0.5))
    with pytest.raises(NotImplementedError, match=r"Forgetful needs a get_config\(\) that returns its arguments"):
        head.get_config()
