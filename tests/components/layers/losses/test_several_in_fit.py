# pyright: reportOptionalMemberAccess=false
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers.crossentropy import SampledCrossentropy
from components.layers.head import SampledSoftmax
from components.layers.losses.labels import Labels, LossName
from components.layers.top import TopClasses

CLASSES = 40


def rows(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens, and up to three labels per row that follow from them, filled up with -1."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.permutation(CLASSES)[:3] for _ in range(count)])
    return x, np.where(rng.random((count, 3)) < 0.6, (x + 1) % CLASSES, -1)


def model_of(loss: LossName) -> keras.Model:
    inputs = keras.Input((3,), dtype="int32")
    hidden = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(CLASSES, 16)(inputs))
    head = SampledSoftmax(np.arange(CLASSES, 0, -1), negatives=8, activation="sigmoid" if loss == "sigmoid" else None)
    model = keras.Model(inputs, head(hidden))
    model.compile(keras.optimizers.Adam(0.05), loss=SampledCrossentropy(several=loss))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_a_model_learns_several_labels_and_is_loaded_as_it_was(loss: LossName, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    (x, y), model = rows(), model_of(loss)
    before = model.evaluate(x, y, batch_size=100, verbose=0)
    model.fit(x, y, batch_size=50, epochs=8, verbose=0)
    after = model.evaluate(x, y, batch_size=100, verbose=0)
    assert after < 0.8 * before

    # The exact loss over all classes. Rows without labels do not count.
    head, hidden = model.layers[-1], keras.Model(model.inputs, model.layers[-1].input)(x)
    exact = head.exact_loss_of_several(hidden, Labels.of(tf.constant(y)), loss).numpy()
    batches = [exact[at : at + 100][(y[at : at + 100] >= 0).any(axis=1)].mean() for at in range(0, len(x), 100)]
    assert after == pytest.approx(np.mean(batches), rel=1e-4)

    best = keras.Model(model.inputs, TopClasses(5)(model.output))
    ids, probabilities = best.predict(x[:7], verbose=0)
    logits = (tf.matmul(head.scaled(hidden), head.table, transpose_b=True) + head.bias).numpy()[:7]
    expected = 1 / (1 + np.exp(-logits)) if loss == "sigmoid" else tf.nn.softmax(logits).numpy()
    np.testing.assert_allclose(probabilities, np.take_along_axis(expected, ids, axis=1), rtol=1e-4)
    np.testing.assert_array_equal(ids, np.argsort(-logits, axis=1)[:, :5])

    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.several == loss
    np.testing.assert_allclose(again.evaluate(x, y, batch_size=100, verbose=0), after, rtol=1e-6)


def test_a_wrong_kind_of_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="several is 'softmx'"):
        SampledCrossentropy(several="softmx")  # pyright: ignore[reportArgumentType]
