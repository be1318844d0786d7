"""Tests that a folder which is no exported model, or a hostile one, gives one error and executes nothing."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf
from tensorflow.python.ops import script_ops

from components.layers.head import SampledSoftmax
from components.training.warm_start.transfer import Earlier
from pipeline.cli import main
from tests.pipeline.cli.prediction import tiny_model


class Harmful:
    """Object whose pickle writes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.file, "executed")


def about(folder: Path, text: str | bytes) -> None:
    (folder / "assets.extra").mkdir(parents=True, exist_ok=True)
    (folder / "assets.extra" / "bigvocab.json").write_bytes(text.encode() if isinstance(text, str) else text)


def refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> str:
    capfd.readouterr()
    code = main(["predict", "--model", str(folder), "--input", str(folder / "rows.jsonl")])
    out, err = capfd.readouterr()
    assert (code, out) in [(1, ""), (2, "")], out + err
    assert "Traceback" not in err
    assert err.startswith("bigvocab: ")
    return err


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """Return a copy of a model, with rows to answer."""
    copied = Path(shutil.copytree(tiny, tmp_path / "model"))
    (copied / "rows.jsonl").write_text(tiny_model.JSONL)
    return copied


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "{}", "null", '{"data": []}', '{"data": {}, "top_k": "3"}', b"\xff\xfe", "[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_description(folder: Path, capfd: pytest.CaptureFixture[str], text: str | bytes) -> None:
    about(folder, text)
    assert "is no model of BigVocab: assets.extra/bigvocab.json is damaged" in refused(folder, capfd)


def test_a_pickle_or_a_keras_file_in_place_of_the_graph(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    executed = tmp_path / "executed"
    pickled = pickle.dumps(Harmful(executed))
    for name in ("model.keras", "model.h5", "model.pkl", "keras_metadata.pb", "fingerprint.pb"):
        (folder / name).write_bytes(pickled)
    about(folder, pickled)
    assert "is damaged" in refused(folder, capfd)
    about(folder, json.dumps({"data": tiny_model.DATA, "top_k": 3}))
    (folder / "saved_model.pb").write_bytes(pickled)
    assert "the model cannot be loaded" in refused(folder, capfd)
    shutil.rmtree(folder / "variables")
    (folder / "saved_model.pb").write_bytes(b"")
    refused(folder, capfd)
    assert not executed.exists()


def test_a_graph_that_calls_python(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    executed = tmp_path / "executed"

    class Calls(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def serving_default(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
            labels = tf.numpy_function(lambda given: executed.write_text("executed") or given, [examples], tf.string)
            return {"labels": tf.reshape(labels, [-1, 1]), "probabilities": tf.ones([tf.shape(examples)[0], 1])}

    shutil.rmtree(folder)
    calls = Calls()
    tf.saved_model.save(calls, str(folder), {"serving_default": calls.serving_default})
    about(folder, json.dumps({"data": tiny_model.DATA, "top_k": 1}))
    (folder / "rows.jsonl").write_text(tiny_model.JSONL)
    # As in another process, which does not have the function.
    monkeypatch.setattr(script_ops._py_funcs, "_funcs", {})
    assert "the model fails: " in refused(folder, capfd)
    assert not executed.exists()


def test_a_graph_without_the_signature(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tf.saved_model.save(tf.Module(), str(folder))
    assert "it has no signature 'serving_default'" in refused(folder, capfd)


def test_a_kind_in_a_description_is_imported_only_from_where_python_looks(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "harmful.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    data = {**tiny_model.DATA, "source": {"kind": "harmful:Source", "path": "rows.csv"}}
    about(folder, json.dumps({"data": data, "top_k": 3}))
    assert "No module named 'harmful'" in refused(folder, capfd)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 1}', '{"format": 1, "weights": {}}'])
def test_a_base_model_that_is_damaged(tmp_path: Path, text: str) -> None:
    executed = tmp_path / "executed"
    (tmp_path / "about.json").write_text(text)
    for name in ("state.index", "state.data-00000-of-00001"):
        (tmp_path / name).write_bytes(pickle.dumps(Harmful(executed)))
    with pytest.raises(ValueError, match="is damaged"):
        Earlier(str(tmp_path))
    assert not executed.exists()


def test_a_layer_with_code_in_its_configuration_is_refused() -> None:
    lambda_layer = keras.layers.Lambda(lambda x: x)
    config = {**SampledSoftmax([1, 1]).get_config(), "form": keras.saving.serialize_keras_object(lambda_layer)}
    with pytest.raises(ValueError, match="safe_mode|unsafe|lambda"):
        SampledSoftmax.from_config(config)
