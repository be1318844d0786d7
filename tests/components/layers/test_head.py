# pyright: reportOptionalMemberAccess=false, reportFunctionMemberAccess=false
import doctest
from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers import head as module
from components.layers.crossentropy import SampledCrossentropy
from components.layers.forms.base import Step
from components.layers.forms.names import FormName
from components.layers.forms.registry import FORMS
from components.layers.head import SampledSoftmax, step_seed

COUNTS = [400, 200, 100, 50, 25, 12, 6, 3, 2, 2]


def head_of(negatives: int, width: int = 4, **kwargs) -> SampledSoftmax:
    head = SampledSoftmax(COUNTS, negatives, **kwargs)
    head.build((None, width))
    head.table.assign(np.random.default_rng(0).normal(size=(len(COUNTS), width)))
    return head


def step_of(head: SampledSoftmax, hidden: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> Step:
    known = tf.ones_like(labels, tf.bool)
    rows, all_rows = head.rows, head.all_rows
    return Step(hidden, labels, known, seed, rows, all_rows, head.proposal, head.logits_dtype, head.fixed_shape)


def random_batch(rows: int = 6, width: int = 4) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(1)
    return tf.constant(rng.normal(size=(rows, width)), tf.float32), tf.constant(rng.integers(0, 10, rows), tf.int32)


@pytest.mark.parametrize("form", get_args(FormName))
def test_all_classes_as_candidates_is_the_full_softmax(form):
    head = head_of(len(COUNTS), form=form)
    hidden, labels = random_batch()
    full = keras.losses.sparse_categorical_crossentropy(labels, head(hidden), from_logits=True)
    np.testing.assert_allclose(head.sampled_loss(hidden, labels, step_seed(1, 0)), full, rtol=1e-5)


@pytest.mark.parametrize("fixed_shape", [False, True])
@pytest.mark.parametrize("form", ["shared", "own"])
def test_every_label_has_its_row_and_every_candidate_counts_once(form, fixed_shape):
    head = head_of(5, form=form, fixed_shape=fixed_shape, alpha=0.0)
    hidden, labels = random_batch()
    seen: set[tuple[int, ...]] = set()
    for step in range(10):
        found = FORMS[form]().candidates(step_of(head, hidden, labels, step_seed(1, step)))
        classes, log_pi, own = (t.numpy() for t in found)
        np.testing.assert_array_equal(classes[own], labels)
        candidates = classes[: len(log_pi)][np.isfinite(log_pi)]
        assert len(set(candidates)) == len(candidates)
        assert set(head.proposal.draw(step_seed(1, step)).numpy()) <= set(candidates)
        assert (set(labels.numpy()) <= set(candidates)) or form == "own"
        seen.add(tuple(sorted(candidates)))
    assert len(seen) > 1


@pytest.mark.parametrize("form", ["shared", "own"])
def test_both_shapes_give_the_same_loss_and_gradients_also_under_xla(form):
    hidden, labels = random_batch()
    results = []
    for fixed_shape, jit in ((False, False), (True, False), (True, True)):
        head = head_of(6, form=form, fixed_shape=fixed_shape)

        @tf.function(jit_compile=jit)
        def step(hidden, labels, seed, head=head):
            with tf.GradientTape() as tape:
                tape.watch(hidden)
                loss = head.sampled_loss(hidden, labels, seed)
            d_hidden, d_table, d_bias = tape.gradient(loss, [hidden, head.table.value, head.bias.value])
            return loss, d_hidden, tf.convert_to_tensor(d_table), tf.convert_to_tensor(d_bias)

        results.append(step(hidden, labels, tf.constant([1, 3])))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def mean_gradient(
    head: SampledSoftmax, hidden: tf.Tensor, labels: tf.Tensor, sign: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over draws of the gradient for the hidden vectors, and its standard error."""
    correct = head.proposal.log_inclusion
    head.proposal.log_inclusion = lambda classes: sign * correct(classes)

    @tf.function
    def gradient(step):
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            loss = head.sampled_loss(hidden, labels, tf.stack([1, step]))
        return tape.gradient(loss, hidden)

    found = tf.function(lambda: tf.map_fn(gradient, tf.range(steps), fn_output_signature=tf.float32))().numpy()
    return found.mean(axis=0), found.std(axis=0) / np.sqrt(steps)


@pytest.mark.parametrize("form", ["shared", "own"])
def test_expected_gradient_is_the_full_one_and_that_of_a_flipped_sign_is_not(form):
    steps = 1_500
    hidden, labels = random_batch()

    def make() -> SampledSoftmax:
        head = SampledSoftmax(np.arange(40, 0, -1) ** 2, 24, form=form)
        head.build((None, 4))
        head.table.assign(np.random.default_rng(5).normal(size=(40, 4)) / 2)
        return head

    head = make()
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        loss = keras.losses.sparse_categorical_crossentropy(labels, head(hidden), from_logits=True)
    full = tape.gradient(loss, hidden)
    mean, error = mean_gradient(head, hidden, labels, 1.0, steps)
    # Five standard errors (one run in 70,000 for all 24 components), plus the bias of a ratio of means, which is of
    # order 1 / S.
    np.testing.assert_array_less(np.abs(mean - full), 5 * error + 0.02)
    wrong, error = mean_gradient(make(), hidden, labels, -1.0, 300)
    assert (np.abs(wrong - full) > 5 * error + 0.02).any()


def test_labels_outside_the_vocabulary_cost_nothing_and_teach_nothing():
    head = head_of(5)
    hidden, labels = random_batch(3)
    hidden = tf.Variable(hidden)
    labels = tf.tensor_scatter_nd_update(labels, [[1]], [-1])
    with tf.GradientTape() as tape:
        loss = head.sampled_loss(hidden, labels, step_seed(1, 0))
    assert loss[1] == 0.0
    assert (loss.numpy()[[0, 2]] > 0).all()
    gradient = tape.gradient(loss, hidden).numpy()
    assert not gradient[1].any()
    assert gradient[0].any()


def test_output_weights_are_trained():
    head = head_of(5)
    hidden, labels = random_batch()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(head.sampled_loss(hidden, labels, step_seed(1, 0)))
    table, bias = tape.gradient(loss, [head.table.value, head.bias.value])
    assert np.abs(table.values.numpy()).sum() > 0
    assert set(labels.numpy()) <= set(table.indices.numpy())
    assert isinstance(table, tf.IndexedSlices)
    assert np.abs(bias.values.numpy()).sum() > 0


def test_bfloat16_is_close():
    hidden, labels = random_batch()
    exact, rough = head_of(5), head_of(5, logits_dtype="bfloat16")
    np.testing.assert_allclose(
        exact.sampled_loss(hidden, labels, step_seed(1, 0)),
        rough.sampled_loss(hidden, labels, step_seed(1, 0)),
        atol=0.05,
    )


def test_an_untrained_head_answers_with_the_frequencies():
    head = SampledSoftmax(COUNTS, 5)
    head.build((None, 4))
    probabilities = tf.nn.softmax(head(tf.zeros((1, 4))))[0]
    np.testing.assert_allclose(probabilities, np.asarray(COUNTS) / sum(COUNTS), rtol=1e-5)


def test_config_round_trip():
    head = SampledSoftmax(COUNTS, 5, 0.5, seed=3, logits_dtype="bfloat16", form="shared", fixed_shape=True)
    assert SampledSoftmax.from_config(head.get_config()).get_config() == head.get_config()


def test_a_saved_model_answers_and_trains_as_before(tmp_path):
    hidden, labels = random_batch()
    model = keras.Sequential([keras.Input((4,)), SampledSoftmax(COUNTS, 5, name="head")])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(hidden), model(hidden))
    losses = [m.get_layer("head").sampled_loss(hidden, labels, step_seed(0, 4)) for m in (model, again)]
    np.testing.assert_array_equal(*losses)


def test_an_exported_head_answers_as_before(tmp_path):
    hidden, _ = random_batch()
    head = head_of(5)
    head.sampled_loss(hidden, tf.zeros(6, tf.int32), step_seed(0, 0))
    archive = keras.export.ExportArchive()
    archive.track(head)
    archive.add_endpoint("serve", tf.function(head.call, input_signature=[tf.TensorSpec([None, 4])]))
    archive.write_out(str(tmp_path), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(loaded.serve(hidden), head(hidden), rtol=1e-6)


def test_the_example_runs():
    assert doctest.testmod(module, extraglobs={"tf": tf, "SampledCrossentropy": SampledCrossentropy}) == (0, 8)


@pytest.mark.parametrize(
    ("negatives", "form", "chosen"),
    [(5, "auto", "own"), (100, "auto", "full"), (5, "shared", "shared"), (10, "shared", "full"), (5, "full", "full")],
)
def test_the_form_follows_from_what_is_asked_and_what_there_is(negatives, form, chosen):
    assert type(head_of(negatives, form=form).training_form) is FORMS[chosen]


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("form", ["shared", "own", "full"])
def test_a_batch_of_one_label_and_a_batch_of_one_row(form, rows):
    head = head_of(5, form=form)
    hidden = tf.constant(np.random.default_rng(6).normal(size=(rows, 4)), tf.float32)
    with tf.GradientTape() as tape:
        loss = head.sampled_loss(hidden, tf.fill([rows], 9), step_seed(1, 0))
    gradient = tf.convert_to_tensor(tape.gradient(loss, head.table.value))
    assert (loss.numpy() > 0).all()
    assert np.isfinite(gradient).all()
    assert gradient.numpy()[9].any()


def test_a_class_never_seen_starts_below_all_others_and_stays_finite():
    head = SampledSoftmax([5, 3, 1, 0], 3)
    head.build((None, 2))
    assert np.isfinite(head.bias.numpy()).all()
    assert np.argmin(head.bias.numpy()) == 3
    assert np.isfinite(head.sampled_loss(tf.ones((1, 2)), tf.constant([3]), step_seed(1, 0))).all()


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="form is 'Shared': it must be one of auto, shared, own, full"):
        SampledSoftmax(COUNTS, 5, form="Shared")


def test_nothing_of_a_step_is_as_large_as_a_million_classes():
    head = SampledSoftmax(np.ones(1_000_000, np.int64), 64)
    head.build((None, 2))

    @tf.function
    def step(hidden, labels):
        with tf.GradientTape() as tape:
            loss = head.sampled_loss(hidden, labels, tf.constant([1, 2]))
        return loss, *tape.gradient(loss, [head.table.value, head.bias.value])

    graph = step.get_concrete_function(tf.TensorSpec([8, 2]), tf.TensorSpec([8], tf.int32)).graph
    assert len(graph.as_graph_def().SerializeToString()) < 200_000
    assert all(isinstance(g, tf.IndexedSlices) for g in step(tf.ones((8, 2)), tf.range(8))[1:])
    assert len(head.get_config()["counts"]) == 1_000_000


@pytest.mark.parametrize("counts", [[5], [3, -1], [0, 0]])
def test_counts_that_make_no_sense_are_refused(counts):
    with pytest.raises(ValueError, match="at least"):
        SampledSoftmax(counts, 5)
