"""Tests of labels that are added to a pushed model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.labels.reading import digest
from components.preprocessing.vocabulary import read_vocabulary
from components.pushing import versions
from components.pushing.new_labels import NewLabelsError, add_labels
from components.training.export.growing import LABELS_FILE
from tests.components.training.conftest import Corpus, corpus_once, labelled, run, serialize  # noqa: F401

FEATURES = {"initial": {"kind": "category"}, "length": {"kind": "number"}, "letters": {"kind": "text"}}
NEW = ["zebra crossing", "back\\slash", "thereforeby"]


def items(folder: Path, words: list[str]) -> Path:
    file = folder / "items.csv"
    lines = [f'"{word}",{word[0]},{len(word)},"{" ".join(word)}"' for word in words]
    file.write_text("\n".join(["word,initial,length,letters", *lines]) + "\n", encoding="utf-8")
    return file


def answers(model: Path, rows: list[Any]) -> dict[str, np.ndarray]:
    """Return the answer of `serving_default` in a graph session, as in TensorFlow Serving."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(model))
        signature = loaded.signature_def["serving_default"]
        feed = {signature.inputs["examples"].name: [serialize(row) for row in rows]}
        return session.run({name: info.name for name, info in signature.outputs.items()}, feed)


@pytest.fixture(scope="module")
def trained(labelled: Corpus, run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    folder = tmp_path_factory.mktemp("trained")
    words = read_vocabulary(labelled.folder / "graph/transform_fn/assets/labels").tokens
    file = items(folder, words[:-3])
    args = labelled.fn_args(folder, {"epochs": 2, "top_k": len(words)})
    spec = {"file": str(file), "key": "word", "features": FEATURES}
    args.custom_config |= {"labels": json.dumps(spec), "labels_digest": digest(str(file))}
    run(args)
    about = json.loads((folder / "run" / "training.json").read_text())
    assert about["label_features"] == {
        "with_features": len(words) - 3,
        "without_features": 3,
        "other_lines": 0,
    }
    return folder / "model"


@pytest.fixture
def pushed(trained: Path, tmp_path: Path) -> Path:
    return versions.push(trained, tmp_path / "serving", metrics={"recall_at_10": 0.5})


@pytest.mark.slow
def test_new_labels_are_answered_without_training(pushed: Path, labelled: Corpus, tmp_path: Path) -> None:  # noqa: F811
    rows, known = labelled.rows[:20], read_vocabulary(pushed / LABELS_FILE).tokens
    before = answers(pushed, rows)
    file = items(tmp_path, [*known[:2], *NEW])
    added = add_labels(pushed, str(file))
    assert added.labels == NEW
    assert added.known == 2
    assert versions.versions(tmp_path / "serving") == sorted([int(pushed.name), int(added.version.name)])
    assert read_vocabulary(added.version / LABELS_FILE).tokens == [*known, *NEW]
    after = answers(added.version, rows)
    new = {label.encode() for label in NEW}
    assert any(new & set(labels) for labels in after["labels"]), "new labels are among the answers"
    for row in range(len(rows)):
        old = dict(zip(before["labels"][row], before["probabilities"][row], strict=True))
        kept = [(label, p) for label, p in zip(after["labels"][row], after["probabilities"][row], strict=True)]
        ratios = [p / old[label] for label, p in kept if label not in new]
        np.testing.assert_allclose(ratios, ratios[0], rtol=1e-3, err_msg="known labels keep their odds")
        assert 0 < ratios[0] < 1
    # Again with the same file: nothing is new. The version before still answers as before.
    with pytest.raises(NewLabelsError, match="nothing to add"):
        add_labels(added.version, str(file))
    np.testing.assert_array_equal(answers(pushed, rows)["labels"], before["labels"])
    measured = tf.saved_model.load(str(added.version)).signatures["eval"](
        examples=tf.constant([serialize({**rows[0], "next": [NEW[0].encode()]})])
    )
    unknown = tf.saved_model.load(str(pushed)).signatures["eval"](
        examples=tf.constant([serialize({**rows[0], "next": [NEW[0].encode()]})])
    )
    assert any(not np.array_equal(measured[name], unknown[name]) for name in measured), "the label is known now"


@pytest.mark.slow
def test_faults_of_the_file_are_one_clear_error(pushed: Path, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text("word,initial,lenght,letters\nnew,n,3,n e w\n")
    with pytest.raises(NewLabelsError, match=r"no column 'length'.*did you mean 'lenght'"):
        add_labels(pushed, str(file))
    assert len(versions.versions(tmp_path / "serving")) == 1


def test_a_model_without_features_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "serving" / "1"
    model.mkdir(parents=True)
    with pytest.raises(NewLabelsError, match="no pushed model"):
        add_labels(model, "items.csv")
    (model / versions.MAIN_FILE).touch()
    with pytest.raises(NewLabelsError, match="trained without features of labels"):
        add_labels(model, "items.csv")
    (model / "assets.extra").mkdir()
    (model / "assets.extra" / "label_features.json").write_text(
        json.dumps({"grows": False, "features": {"key": "a", "features": {"b": {"kind": "number"}}}})
    )
    with pytest.raises(NewLabelsError, match="mixture: none"):
        add_labels(model, "items.csv")
