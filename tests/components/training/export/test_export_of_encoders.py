"""Tests that every kind of encoder answers from a SavedModel in a graph session, as in TensorFlow Serving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.preprocessing.vocabulary import vocabularies
from components.training.data.layout import Layout
from components.training.export.saved_model import export
from components.training.export.servable import Servable
from components.training.model import build_model
from components.training.spec import TrainerSpec
from tests.components.training.conftest import BANDS, SMALL, VOCABULARY, Corpus, serialize

SUBMODEL = [{"Dense": {"units": 4, "activation": "relu"}}, {"Dropout": {"rate": 0.5}}, {"LayerNormalization": {}}]


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        {"kind": "ten_inputs", "context": 4, "shared_units": 4},
        {"kind": "shared_submodel", "context": 4, "submodel": SUBMODEL},
        {"kind": "recurrent", "context": 9, "projection": 4, "units": 3},
        {"kind": "transformer", "context": 9, "embedding": 8, "feedforward": 6, "num_heads": 2},
    ],
    ids=lambda model: model["kind"],
)
def test_is_served(model: dict[str, Any], sequence: Corpus, tmp_path: Path) -> None:
    spec = TrainerSpec.model_validate({**SMALL, "model": model})
    found = vocabularies(sequence.transform)
    ids = len(found["inputs"]) + VOCABULARY.num_oov_buckets
    layout = Layout.of(sequence.data, sequence.transform, spec.model.context, ids, spec.whole_rows("sequence"))
    classifier = build_model(spec, layout, found["labels"].counts.tolist())
    rng = np.random.default_rng(0)
    classifier.set_weights([rng.normal(scale=0.5, size=w.shape) for w in classifier.get_weights()])
    servable = Servable(classifier, sequence.transform, sequence.data, layout, BANDS, spec.top_k)
    examples = np.array([serialize(row) for row in sequence.rows[:5]])
    expected = servable.examples(tf.constant(examples))
    export(servable, str(tmp_path))

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path))
        signature = loaded.signature_def["serving_default"]
        outputs = {name: info.name for name, info in signature.outputs.items()}
        answers = session.run(outputs, {signature.inputs["examples"].name: examples})
    np.testing.assert_array_equal(answers["labels"], expected["labels"])
    np.testing.assert_allclose(answers["probabilities"], expected["probabilities"], rtol=1e-4)
    assert len({tuple(row) for row in answers["labels"]}) > 1
