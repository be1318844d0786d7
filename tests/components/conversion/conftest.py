"""Small models, exported as in the pipeline, in the folders of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.preprocessing.vocabulary import vocabularies
from components.training.data.batches import latest_ids
from components.training.data.layout import Layout
from components.training.export.saved_model import export
from components.training.export.servable import Servable
from components.training.model import build_model
from components.training.spec import TrainerSpec
from tests.components.training.conftest import BANDS, SMALL, VOCABULARY, Corpus, serialize
from tests.components.training.conftest import sequence as sequence  # a fixture

Exporter = Callable[..., Path]


@pytest.fixture(scope="module")
def exported(sequence: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    """Return a function that exports a model with random weights, and returns the folder of its version."""

    def make(model: dict[str, Any] | None = None, calibrated: float = 1.4) -> Path:
        root = tmp_path_factory.mktemp("run")
        spec = TrainerSpec.model_validate({**SMALL, **({"model": model} if model else {})})
        found = vocabularies(sequence.transform)
        ids = len(found["inputs"]) + VOCABULARY.num_oov_buckets
        layout = Layout.of(sequence.data, sequence.transform, spec.model.context, ids, spec.whole_rows("sequence"))
        classifier = build_model(spec, layout, found["labels"].counts.tolist())
        rng = np.random.default_rng(0)
        for weight in classifier.trainable_weights:
            weight.assign(rng.normal(scale=0.5, size=weight.shape))
        classifier.label.temperature.assign(calibrated)
        classifier.encoder.name_ids(found["inputs"].tokens)
        files = [str(file) for file in sequence.folder.glob("train*.gz")]
        classifier.encoder.adapt(lambda length: latest_ids(files, layout, length))
        version = root / "serving" / "1"
        export(Servable(classifier, sequence.transform, sequence.data, layout, BANDS, spec.top_k), str(version))
        split = root / "artifacts/ExampleGen/examples/1/Split-test"
        split.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(split / "data.gz"), "GZIP") as writer:
            for row in sequence.rows[:20]:
                writer.write(serialize(row))
        return version

    return make
