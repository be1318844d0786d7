from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.conversion import checks, onnx_model
from components.conversion.errors import ConversionError
from components.conversion.export import export
from components.messages.exit_codes import FAILED, WRONG
from pipeline.cli.export import _lines
from tests.components.conversion.conftest import Exporter

SUBMODEL = [{"Dense": {"units": 4, "activation": "relu"}}, {"LayerNormalization": {}}]


@pytest.fixture(scope="module")
def version(exported: Exporter) -> Path:
    return exported()


@pytest.mark.slow
def test_the_vectors_rank_classes_as_the_model_does(version: Path, tmp_path: Path) -> None:
    found = export(version, "npz", tmp_path / "out")
    assert (found.rows, found.origin, found.comparison.agreement) == (20, "the test split", 1.0)
    files = np.load(tmp_path / "out" / "vectors.npz")
    with (tmp_path / "out" / "labels.csv").open(encoding="utf-8", newline="") as file:
        labels = [line["token"] for line in csv.DictReader(file)]
    assert files["vectors"].shape == (len(labels), found.width)
    model = tf.saved_model.load(str(version))
    example = next(tf.data.TFRecordDataset(str(next(version.parent.parent.rglob("*.gz"))), "GZIP").as_numpy_iterator())
    query = model.signatures["query"](examples=tf.constant([example]))["query"].numpy()[0]
    # As in a database without biases: the bias is one more coordinate, and the query has a 1 there.
    scores = np.append(query, 1) @ np.c_[files["vectors"], files["biases"]].T
    answer = model.signatures["serving_default"](examples=tf.constant([example]))
    assert [labels[i] for i in np.argsort(-scores)[:5]] == [label.decode() for label in answer["labels"].numpy()[0]]
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    ids = model.signatures["query"](examples=tf.constant([example]))["input_ids"].numpy()
    assert ids.max() <= about["input_ids"]["padding"] == len(files["inputs"]) - 1


@pytest.mark.slow
def test_wrong_vectors_are_not_written(version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.VectorModel, "scores", lambda self, queries: wrong(self, queries))
    with pytest.raises(ConversionError, match="differ from the answers") as raised:
        export(version, "npz", tmp_path / "out")
    assert raised.value.code == FAILED
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_mixture_is_compared_by_its_labels(version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.VectorModel, "beside", property(lambda self: "mixture"))
    monkeypatch.setattr(checks.VectorModel, "scores", lambda self, queries: wrong(self, queries))
    found = export(version, "npz", tmp_path / "out")
    assert found.comparison.difference is None
    assert 0 < found.comparison.agreement < 1
    assert json.loads((tmp_path / "out" / "about.json").read_text())["beside"] == "mixture"
    lines = list(_lines(found))
    assert f"{found.comparison.agreement:.1%} of its first 10 labels" in lines[1]
    assert "n-gram counts" in lines[2]


def wrong(model: Any, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits = queries @ model.vectors.T  # Without the biases.
    powers = np.exp(logits)
    return logits, powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        None,
        {"kind": "ten_inputs", "context": 4, "shared_units": 4},
        {"kind": "shared_submodel", "context": 4, "submodel": SUBMODEL},
        {"kind": "session", "context": 4, "embedding": 8},
        {"kind": "recurrent", "context": 9, "projection": 4, "units": 3},
        {"kind": "transformer", "context": 9, "embedding": 8, "feedforward": 6, "num_heads": 2},
    ],
    ids=lambda model: model["kind"] if model else "shared_projection",
)
def test_onnx_answers_as_tensorflow_does(model: dict[str, Any] | None, exported: Exporter, tmp_path: Path) -> None:
    found = export(exported(model), "onnx", tmp_path / "out")
    assert found.difference is not None
    assert found.difference < checks.TOLERANCE
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"model.onnx", "labels.csv", "about.json"}


@pytest.mark.slow
def test_an_operation_without_a_form_is_named(version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(onnx_model.HANDLERS, "LowerBound")
    with pytest.raises(ConversionError, match="LowerBound") as raised:
        export(version, "onnx", tmp_path / "out")
    assert raised.value.code == WRONG
    assert not list(tmp_path.iterdir())
