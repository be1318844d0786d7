import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.encoders.build import build_encoder
from components.layers.encoders.recurrent.spec import RecurrentSpec
from components.layers.encoders.session.spec import SessionSpec
from components.layers.encoders.shared_projection.spec import SharedProjectionSpec
from components.layers.encoders.shared_submodel.spec import SharedSubmodelSpec
from components.layers.encoders.transformer.spec import TransformerSpec
from components.layers.head import SampledSoftmax, step_seed
from components.layers.label_features.layer import LabelFeatures
from components.layers.label_features.table import Bag, FeatureTable
from tests.drawing import drawn

WIDTH = 4
LABELS = 6


def tables(ids: int = LABELS) -> st.SearchStrategy[FeatureTable]:
    counts = st.lists(st.integers(0, 50), min_size=ids, max_size=ids).filter(any)
    bags = st.lists(st.lists(st.integers(0, 2), max_size=3), min_size=ids, max_size=ids)
    numbers = st.integers(0, 2).flatmap(lambda n: st.just(np.random.default_rng(n).normal(size=(ids, n))))
    return st.builds(
        lambda counts, first, second, numbers: FeatureTable(
            np.array(counts), numbers.astype(np.float32), {"brand": Bag.of(first, 3), "title": Bag.of(second, 3)}
        ),
        counts,
        bags,
        bags,
        numbers,
    )


def built(table: FeatureTable, others: int = 0, own_dropout: float = 0.0) -> LabelFeatures:
    layer = LabelFeatures(table, WIDTH, others, own_dropout)
    layer.build()
    rng = np.random.default_rng(3)
    for weight in layer.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def plain(layer: LabelFeatures, table: FeatureTable, own: np.ndarray, bias: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the vectors and biases of all ids, computed label by label as in the equations."""
    vectors, biases = [], []
    for i, count in enumerate(table.counts):
        c, d = tf.zeros(WIDTH), tf.zeros(())
        for name, bag in table.bags.items():
            entries = bag.entries[bag.starts[i] : bag.starts[i + 1]]
            for entry in entries:
                c += tf.convert_to_tensor(layer.vector_sum.tables[name])[entry] / len(entries)
                d += tf.convert_to_tensor(layer.bias_sum.tables[name])[entry, 0] / len(entries)
        for j, number in enumerate(table.numbers[i]):
            c += number * tf.convert_to_tensor(layer.vector_sum.kernel)[j]
            d += number * tf.convert_to_tensor(layer.bias_sum.kernel)[j, 0]
        vectors.append((own[i] if count else 0.0) + tf.exp(layer.share[0] + layer.share[1] * np.log(1.0 + count)) * c)
        biases.append(bias[i] if count else layer.prior + d)
    return tf.stack(vectors), tf.stack(biases)


def head_of(table: FeatureTable, **kwargs) -> SampledSoftmax:
    head = SampledSoftmax(table.counts, 3, features=built(table), **kwargs)
    head.build((None, WIDTH))
    head.table.assign(np.random.default_rng(0).normal(size=(table.ids, WIDTH)))
    return head


@drawn(30)
@given(tables())
def test_the_vectors_and_biases_follow_the_equations(table):
    head = head_of(table)
    vectors, bias = head.all_rows()
    expected = plain(head.features, table, head.table.numpy(), head.bias.numpy())
    np.testing.assert_allclose(vectors, expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(bias, expected[1], rtol=1e-5, atol=1e-5)


@drawn(30)
@given(tables(), st.lists(st.integers(0, LABELS - 1), min_size=1, max_size=8), st.sampled_from(["dot", "cosine"]))
def test_some_rows_are_those_of_all_rows(table, classes, similarity):
    head = head_of(table, similarity=similarity)
    for some, everything in zip(head.rows(tf.constant(classes)), head.all_rows(), strict=True):
        np.testing.assert_allclose(some, tf.gather(everything, classes), rtol=1e-5, atol=1e-6)


@drawn(20)
@given(tables(), st.lists(st.integers(0, LABELS - 1), min_size=1, max_size=8))
def test_the_gradient_equals_that_of_a_plain_computation(table, classes):
    head = head_of(table)
    layer = head.features
    weights = [head.table, head.bias, *layer.trainable_variables]
    rng = np.random.default_rng(1)
    into, into_bias = rng.normal(size=(len(classes), WIDTH)), rng.normal(size=len(classes))
    with tf.GradientTape(persistent=True) as tape:
        own, bias = tf.identity(head.table.value), tf.identity(head.bias.value)
        tape.watch([own, bias])
        vectors, biases = head.rows(tf.constant(classes))
        found = tf.reduce_sum(vectors * into) + tf.reduce_sum(biases * into_bias)
        wanted = [tf.gather(each, classes) for each in plain(layer, table, own, bias)]
        expected = tf.reduce_sum(wanted[0] * into) + tf.reduce_sum(wanted[1] * into_bias)
    gradients = tape.gradient(found, [w.value for w in weights])
    assert isinstance(gradients[0], tf.IndexedSlices), "only the rows of the classes have a gradient"
    reference = tape.gradient(expected, [own, bias, *(w.value for w in layer.trainable_variables)])
    for weight, gradient, right in zip(weights, gradients, reference, strict=True):
        dense, right = (
            np.zeros(weight.shape) if g is None else tf.convert_to_tensor(g).numpy() for g in (gradient, right)
        )
        np.testing.assert_allclose(dense, right, rtol=1e-4, atol=1e-4, err_msg=weight.path)


@drawn(20)
@given(tables(), st.floats(-100, 100))
def test_a_label_without_occurrences_depends_on_its_features_alone(table, value):
    head = head_of(table)
    before = head.all_rows()
    head.table.assign(np.full(head.table.shape, value))
    head.bias.assign(np.full(head.bias.shape, value))
    unseen = np.flatnonzero(table.counts == 0)
    for old, new in zip(before, head.all_rows(), strict=True):
        np.testing.assert_array_equal(tf.gather(old, unseen), tf.gather(new, unseen))


def example() -> FeatureTable:
    numbers = np.array([[0.5], [0.0], [-1.0], [2.0], [0.0], [1.0]], np.float32)
    bags = {"brand": Bag.of([[0], [1], [], [0], [1], [0]], 2), "title": Bag.of([[0, 1], [2], [], [], [1], [2, 2]], 3)}
    return FeatureTable(np.array([9, 7, 3, 2, 1, 0]), numbers, bags)


def test_the_weight_of_the_features_is_a_learned_function_of_the_count():
    table = example()
    layer = built(table)
    ids, nothing = tf.range(LABELS), tf.zeros([LABELS, WIDTH])
    features = layer.vector_sum(ids)
    layer.share.assign([0.0, 0.0])
    np.testing.assert_allclose(layer.vectors(nothing, ids), features, rtol=1e-6)
    layer.share.assign([0.2, -0.5])
    weights = np.exp(0.2) / np.sqrt(1.0 + table.counts)
    np.testing.assert_allclose(layer.vectors(nothing, ids), weights[:, np.newaxis] * features, rtol=1e-5)


def test_the_own_dropout_trains_the_features_alone():
    layer = built(example(), own_dropout=0.5)
    own, ids = tf.random.stateless_normal([LABELS, WIDTH], [1, 2]), tf.range(LABELS)
    alone, both = layer.vectors(tf.zeros_like(own), ids)[5:], layer.vectors(own, ids)
    dropped = 0
    for step in range(20):
        found = layer.vectors(own, ids, step_seed(1, step)).numpy()
        biases = layer.biases(tf.fill([LABELS], 50.0), ids, step_seed(1, step)).numpy()
        features = (tf.exp(layer.share[0]) * layer.vector_sum(ids)).numpy()
        for i in range(LABELS - 1):
            used = np.allclose(found[i], both[i])
            assert used or np.allclose(found[i], features[i])
            assert used == (biases[i] == 50.0), "vector and bias are dropped together"
            dropped += not used
        np.testing.assert_allclose(found[5:], alone, rtol=1e-6)
    assert 25 < dropped < 75


@pytest.mark.parametrize("form", ["own", "shared", "full"])
def test_training_with_draws_differs_from_measuring(form):
    table = example()
    head = SampledSoftmax(table.counts, 5, form=form, features=built(table, own_dropout=0.5))
    head.features.share.assign([0.0, 0.0])  # Otherwise one class may have nearly all of the probability.
    head.build((None, WIDTH))
    head.table.assign(np.full((LABELS, WIDTH), 0.5))
    hidden, labels = tf.ones([2, WIDTH]), tf.constant([0, 1])
    losses = {float(head.sampled_loss(hidden, labels, step_seed(1, step))[0]) for step in range(10)}
    assert len(losses) > 1
    head.freeze()
    frozen = head.exact_loss(hidden, labels)
    vectors, bias = head.all_rows()
    logits = tf.matmul(hidden, vectors, transpose_b=True) + bias
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    np.testing.assert_allclose(frozen, expected, rtol=1e-5)


TIED = [
    SharedProjectionSpec(kind="shared_projection", context=3, embedding=WIDTH, projection=WIDTH, ngrams=1, tie=True),
    SharedSubmodelSpec(kind="shared_submodel", context=3, embedding=WIDTH, tie=True),
    RecurrentSpec(kind="recurrent", context=3, embedding=WIDTH, tie=True),
    TransformerSpec(kind="transformer", context=3, embedding=WIDTH, num_heads=1, num_blocks=1, tie=True),
    SessionSpec(kind="session", context=3, embedding=WIDTH, tie=True),
]


@pytest.mark.parametrize("spec", TIED, ids=lambda spec: spec.kind)
def test_tied_vectors_have_the_features_of_the_inputs(spec):
    assert spec.embeds_label_features
    table = example()
    features = LabelFeatures(table, WIDTH, others=2)
    encoder = build_encoder(spec, ids=LABELS + 2, context=3, numbers=(), categories={}, seed=1, label_features=features)
    inputs = {"input_ids": tf.constant([[5, 5, 5], [5, 2, 4]])}
    before = encoder(inputs)
    own = encoder.embedding.embeddings
    own.assign(tf.tensor_scatter_nd_update(own.value, [[5]], tf.ones([1, WIDTH])))
    np.testing.assert_array_equal(encoder(inputs), before, "the id 5 has no occurrences")
    for weight in features.vector_sum.trainable_variables:
        weight.assign_add(np.linspace(-1.0, 2.0, np.prod(weight.shape)).reshape(weight.shape))
    assert not np.allclose(encoder(inputs), before, atol=1e-6)
    ids = tf.constant([3, 5, 0, 6])
    first = encoder.first_token_vectors(LABELS + 2)
    np.testing.assert_allclose(encoder.token_vectors(ids), tf.gather(first, ids), rtol=1e-5, atol=1e-6)
    head = SampledSoftmax(table.counts, 3, tied_to=encoder, features=features)
    head.build((None, encoder.token_width))
    assert [v.name for v in head.trainable_variables] == ["bias"], "the features belong to the encoder"
    np.testing.assert_allclose(head.all_rows()[0], first[:LABELS], rtol=1e-5, atol=1e-6)
