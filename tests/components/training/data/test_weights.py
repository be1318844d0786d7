"""Tests of the weights of rows: in the windows, in the gradient of a step, in validation and calibration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers.calibration import fit_platt, fit_sharpness, fit_temperature
from components.layers.mixture.gate import Gate
from components.training.data.batches import parse_windows, target_columns
from components.training.data.layout import LABEL, Batch, Layout
from components.training.data.values import model_targets
from components.training.data.weights import WEIGHT, mean_weight
from components.training.loop.validation import Validator
from components.training.model import VocabularyClassifier, build_model
from components.training.rows.cuts import NO_LABEL, Cuts
from components.training.spec import TrainerSpec
from components.training.threshold import best_threshold

LABELLED = Layout("labelled", 3, 50, (), {}, weighted=True)
SEQUENCE = Layout("sequence", 3, 50, (), {}, weighted=True)
ROWS: list[dict[str, list[Any]]] = [
    {"input_ids": [1, 2], "label_ids": [3], "weight": [2.0]},
    {"input_ids": [4], "label_ids": [-1], "weight": [5.0]},
    {"input_ids": [5], "label_ids": [1], "weight": [0.0]},
    {"input_ids": [6, 7], "label_ids": [0], "weight": [0.5]},
]
SEQUENCES: list[dict[str, list[Any]]] = [
    {"input_ids": [1, 2, 3], "label_ids": [1, 2, 3], "weight": [9.0, 2.0, 0.0]},
    {"input_ids": [4, 5], "label_ids": [4, -1], "weight": [1.0, 7.0]},
    {"input_ids": [6, 7, 8, 9, 10], "label_ids": [6, 7, 8, 9, 10], "weight": [0.0, 0.5, 1.0, 3.0, 4.0]},
]


BASKETS = Layout("sequence", 3, 50, (), {}, label_kind="classes", baskets=True, weighted=True)
BASKET_ROWS: list[dict[str, list[Any]]] = [
    {
        "input_ids": [1, 2, 3, 4, 5],
        "label_ids": [1, 2, 3, 4, 5],
        "basket": [0, 0, 1, 1, 2],
        "weight": [9, 9, 2, 7, 0.5],
    },
    {"input_ids": [6, 7, 8], "label_ids": [6, 7, 8], "basket": [0, 1, 2], "weight": [1, 0, 3]},
]


def serialized(rows: list[dict[str, list[Any]]]) -> list[bytes]:
    found = []
    for row in rows:
        example = tf.train.Example()
        for name, values in row.items():
            feature = example.features.feature[name]
            (feature.float_list if name == "weight" else feature.int64_list).value.extend(values)
        found.append(example.SerializeToString())
    return found


def test_a_basket_has_the_weight_of_its_first_token() -> None:
    for known_only, expected in ((True, [2.0, 0.5, 3.0]), (False, [2.0, 0.5, 0.0, 3.0])):
        windows, features = parse_windows(tf.constant(serialized(BASKET_ROWS)), BASKETS, known_only)
        assert model_targets(windows, features, BASKETS)[WEIGHT].numpy().tolist() == expected


@pytest.mark.parametrize(
    ("layout", "rows", "kept", "everything"),
    [
        (LABELLED, ROWS, [(3, 2.0), (0, 0.5)], [(3, 2.0), (-1, 5.0), (1, 0.0), (0, 0.5)]),
        (
            SEQUENCE,
            SEQUENCES,
            [(2, 2.0), (7, 0.5), (8, 1.0), (9, 3.0), (10, 4.0)],
            [(2, 2.0), (3, 0.0), (-1, 7.0), (7, 0.5), (8, 1.0), (9, 3.0), (10, 4.0)],
        ),
    ],
)
def test_a_label_has_the_weight_of_its_row_or_token_and_is_not_trained_on_with_0(
    layout: Layout, rows: Any, kept: Any, everything: Any
) -> None:
    for known_only, expected in ((True, kept), (False, everything)):
        windows, features = parse_windows(tf.constant(serialized(rows)), layout, known_only)
        targets = model_targets(windows, features, layout)
        pairs = zip(targets[LABEL].numpy().tolist(), targets[WEIGHT].numpy().tolist(), strict=True)
        assert list(pairs) == expected


def test_whole_rows_have_the_weights_of_windows() -> None:
    windows, features = parse_windows(tf.constant(serialized(SEQUENCES)), SEQUENCE, known_only=True)
    cuts = Cuts.of(windows, features, SEQUENCE)
    inputs = cuts.inputs(features, SEQUENCE)
    targets = cuts.targets(inputs, features, SEQUENCE)
    labels, weights = targets[LABEL].numpy(), targets[WEIGHT].numpy()
    found = zip(labels[labels != NO_LABEL].tolist(), weights[labels != NO_LABEL].tolist(), strict=True)
    assert sorted(found) == [(2, 2.0), (7, 0.5), (8, 1.0), (9, 3.0), (10, 4.0)]
    assert (weights[labels == NO_LABEL] == 0).all()


def test_the_mean_is_over_the_labels_to_train_on(tmp_path: Any) -> None:
    for layout, rows, expected in ((LABELLED, ROWS, 1.25), (SEQUENCE, SEQUENCES, 10.5 / 5)):
        file = str(tmp_path / f"{layout.shape}.gz")
        with tf.io.TFRecordWriter(file, "GZIP") as writer:
            for record in serialized(rows):
                writer.write(record)
        assert mean_weight(target_columns([file], layout)) == pytest.approx(expected)


class Recorded:
    """Update that keeps the gradients of a step."""

    gradients: list[np.ndarray]

    def apply(self, gradients: list[Any]) -> None:
        self.gradients = [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


def made(layout: Layout, negatives: int, **trainer: Any) -> VocabularyClassifier:
    model = {"context": 3, "embedding": 4, "projection": 4, "hidden": 8, "dropout": 0.0, "ngrams": 1, "num_heads": 0}
    spec = TrainerSpec.model_validate({"model": model, "head": {"negatives": negatives}, **trainer})
    classifier = build_model(spec, layout, [9, 8, 7, 6, 5])
    classifier.compile_with(keras.optimizers.SGD(0.1))
    return classifier


def gradients(weights: list[float] | None, rows: list[int], negatives: int, **trainer: Any) -> list[np.ndarray]:
    """Return the gradients of one step on some rows, with these weights or without."""
    mean = 1.0 if weights is None else float(np.mean(weights))
    layout = replace(LABELLED, weighted=weights is not None, mean_weight=mean, target_counts={"shop": (4, 2)})
    model = made(layout, negatives, **trainer)
    model.update = Recorded()
    ids = np.random.default_rng(1).integers(0, 51, (8, 3)).astype(np.int32)[rows]
    targets: Batch = {LABEL: tf.constant(ids[:, -1] % 5), "shop": tf.constant(ids[:, 0] % 2)}
    if weights is not None:
        targets[WEIGHT] = tf.constant(weights, tf.float32)
    model.train_step(({"input_ids": tf.constant(ids)}, targets))
    return model.update.gradients


@pytest.mark.parametrize("negatives", [3, 64])
def test_a_row_of_weight_2_is_the_row_twice_and_a_common_factor_changes_nothing(negatives: int) -> None:
    more = {"class_weights": {"power": 0.5}}
    twice = gradients([2.0, 1.0, 1.0], [0, 1, 2], negatives, **more)
    repeated = gradients(None, [0, 0, 1, 2], negatives, **more)
    for a, b in zip(twice, repeated, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)
    plain = gradients(None, [0, 1, 2], negatives)
    for a, b in zip(gradients([7.0, 7.0, 7.0], [0, 1, 2], negatives), plain, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.allclose(a, b) for a, b in zip(twice, plain, strict=True))


def test_the_mean_over_all_batches_is_the_gradient_of_the_weighted_mean() -> None:
    """A batch of one row each has the same expectation as the batch of all rows."""
    weights = [0.5, 3.0, 1.0, 0.1]
    whole = gradients(weights, [0, 1, 2, 3], 64)
    model_mean = float(np.mean(weights))
    each = [gradients([weight], [row], 64) for row, weight in enumerate(weights)]
    for position, expected in enumerate(whole):
        # `gradients` divides by the mean of its batch, here the weight of the only row.
        mean = sum(of[position] * weight / model_mean for of, weight in zip(each, weights, strict=True)) / len(weights)
        np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)


def test_a_validation_measures_with_and_without_weights_and_scores_with_them() -> None:
    model = made(LABELLED, 64)
    ids = np.random.default_rng(1).integers(0, 51, (6, 3)).astype(np.int32)
    weights = np.array([0, 2, 1, 3, 0, 0.5], np.float32)
    repeated = np.repeat(np.arange(6), (2 * weights).astype(int))

    def measured(rows: np.ndarray, weights: np.ndarray | None) -> Validator:
        targets: Batch = {LABEL: tf.constant(ids[rows, -1] % 5)}
        if weights is not None:
            targets[WEIGHT] = tf.constant(weights)
        data = tf.data.Dataset.from_tensors(({"input_ids": tf.constant(ids[rows])}, targets))
        return Validator(model, data, tf.distribute.get_strategy(), weighted=weights is not None)

    validator, other = measured(np.arange(6), weights), measured(repeated, None)
    found, plain, expected = validator.measure(), measured(np.arange(6), None).measure(), other.measure()
    assert validator.objective == "nll_weighted"
    for name, value in expected.items():
        assert found[f"{name}_weighted"] == pytest.approx(value, rel=1e-5), name
        assert found[name] == pytest.approx(plain[name], rel=1e-6), name
    assert validator.score(found) == pytest.approx(other.score(expected), rel=1e-5)


def test_a_calibration_with_weights_is_that_of_repeated_rows() -> None:
    rng = np.random.default_rng(3)
    hidden, table = (tf.constant(rng.normal(size=(n, 4)), tf.float32) for n in (200, 6))
    bias, prior = tf.zeros(6), tf.constant(np.log(np.full(6, 1 / 6)), tf.float32)
    labels = rng.integers(0, 6, 200)
    weights = rng.integers(1, 4, 200)
    again = np.repeat(np.arange(200), weights)
    several, factors = np.stack([labels, np.full(200, -2)], axis=1), tf.constant(weights, tf.float32)
    more = tf.gather(hidden, again)
    for fit in (
        lambda hidden, labels, several, weights=None: fit_temperature(hidden, table, bias, labels, weights),
        lambda hidden, labels, several, weights=None: fit_platt(hidden, table, bias, several, weights),
        lambda hidden, labels, several, weights=None: fit_sharpness(hidden, table, bias, prior, labels, weights),
    ):
        found = fit(hidden, tf.constant(labels), tf.constant(several), factors)
        expected = fit(more, tf.constant(labels[again]), tf.constant(several[again]))
        assert found == pytest.approx(expected, rel=2e-3, abs=2e-3)
    probabilities, hits = rng.random((200, 3)), rng.random((200, 3)) < 0.3
    total = float(weights.sum())
    assert best_threshold(probabilities, hits, total, weights.astype(float)) == pytest.approx(
        best_threshold(probabilities[again], hits[again], total)
    )


def test_the_gate_of_a_mixture_is_calibrated_with_weights() -> None:
    hidden, features = tf.zeros([2, 3]), tf.zeros([2, 1])
    logs = tf.math.log([[0.9, 0.1], [0.1, 0.9]])
    shares = []
    for weights in ([1.0, 9.0], [9.0, 1.0]):
        gate = Gate(1)
        gate.build((None, 3))
        gate.calibrate(tf.tile(hidden, [50, 1]), tf.tile(features, [50, 1]), (), tf.tile(logs, [50, 1]),
                       tf.tile(tf.constant(weights), [50]))  # fmt: skip
        shares.append(float(tf.exp(gate(hidden, features))[0, 0]))
    assert shares[0] < 0.4 < 0.6 < shares[1]
