"""Tests of trainings with a number as the label or with further targets, up to the exported model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.metrics.targets import further_targets, label_target
from tests.components.training.conftest import Corpus, serialize

pytestmark = pytest.mark.slow  # two trainings


class Trained:
    """Outputs of a training."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self.corpus = corpus
        self.extra = json.loads((folder / "model" / "assets.extra" / "bigvocab.json").read_text())
        self.about = json.loads((folder / "run" / "training.json").read_text())
        self.model = tf.saved_model.load(str(folder / "model"))
        self.examples = [serialize(row) for row in corpus.rows]

    def ask(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        answer = self.model.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: value.numpy() for name, value in answer.items()}

    def measured(self) -> dict[str, dict[str, float]]:
        """Return the metrics of each target over the eval split, by column."""
        sums = self.ask("eval", examples=self.examples)
        targets = (label_target(self.corpus.data), *further_targets(self.corpus.data))
        assert set(sums) == {column for target in targets for column in target.sum_names}
        totals = {
            target: np.array([sums[column].sum(dtype=np.float64) for column in target.sum_names]) for target in targets
        }
        return {target.column: target.measured(total) for target, total in totals.items()}


@pytest.fixture(scope="module")
def outputs(several: Corpus, run: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("outputs")
    run(several.fn_args(folder, {"epochs": 4, "target_weights": {"party": 0.5}}))
    return Trained(several, folder)


@pytest.fixture(scope="module")
def number(regression: Corpus, run: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("number")
    run(regression.fn_args(folder, {"epochs": 20, "batch": 16, "validations_per_epoch": 1}))
    return Trained(regression, folder)


def test_all_outputs_learn_and_are_validated(outputs: Trained) -> None:
    first, last = outputs.about["validations"][0], outputs.about["validations"][-1]
    assert last["train_loss"] < first["train_loss"]
    assert last["nll"] < first["nll"]
    assert 0.4 < last["party_accuracy"] <= 1
    assert last["year_rmse"] < 36  # The years are 1790 and 1862.


def test_an_answer_holds_every_output(outputs: Trained) -> None:
    answer = outputs.ask("serving_default", examples=outputs.examples)
    assert set(answer) == {"labels", "probabilities", "party", "party_probability", "year"}
    rows = len(outputs.examples)
    assert answer["labels"].shape == (rows, 5)
    assert set(answer["party"]) <= {b"Republican", b"Nonpartisan"}
    assert ((answer["party_probability"] >= 0.5) & (answer["party_probability"] <= 1)).all()
    assert answer["year"].shape == (rows,)
    assert 1740 < answer["year"].min() < answer["year"].max() < 1912


def test_named_columns_are_asked_for_inputs_alone(outputs: Trained) -> None:
    row = outputs.corpus.rows[0]
    by_name = outputs.ask("predict", words=[row["words"]])
    by_example = outputs.ask("serving_default", examples=outputs.examples[:1])
    np.testing.assert_array_equal(by_name["party"], by_example["party"])
    np.testing.assert_allclose(by_name["year"], by_example["year"], rtol=1e-6)


def test_targets_are_measured_once_for_each_label(outputs: Trained) -> None:
    rows = outputs.corpus.rows
    labels = np.array([len(row["words"]) - 1 for row in rows])
    given = np.array([bool(row["party"]) for row in rows])
    found = outputs.measured()
    assert found["year"]["count"] == labels.sum()
    assert found["party"]["count"] == found["party"]["known"] == labels[given].sum()
    assert 0.4 < found["party"]["accuracy"] <= 1
    assert found["year"]["rmse"] < 36
    assert 0 <= outputs.about["calibration"]["party"] <= 4
    assert found["party"]["nll"] <= outputs.about["best"]["party_nll"] + 1e-3, "calibrated on the same rows"


def test_a_number_is_learnt_and_answered_in_its_units(number: Trained) -> None:
    validations = number.about["validations"]
    assert number.about["best"] == min(validations, key=lambda v: v["rmse"])
    assert number.about["best"]["rmse"] < 34
    answer = number.ask("serving_default", examples=number.examples)
    assert set(answer) == {"values", "party", "party_probability"}
    years = np.array([row["year"][0] for row in number.corpus.rows])
    error = answer["values"] - years
    found = number.measured()[""]
    assert found == pytest.approx(
        {
            "rmse": np.sqrt(np.mean(error**2)),
            "mae": np.abs(error).mean(),
            "r2": 1 - np.mean(error**2) / np.var(years),
            "count": len(years),
        },
        rel=1e-3,
    )
    assert found["r2"] > 0, "better than to answer the mean"


def test_a_missing_target_is_not_counted(number: Trained) -> None:
    rows = number.corpus.rows
    assert number.measured()["party"]["count"] == sum(bool(row["party"]) for row in rows) < len(rows)
    unheard = [serialize({**row, "party": [b"Unheard"]}) for row in rows[:3]]
    sums = number.ask("eval", examples=unheard)
    np.testing.assert_array_equal(sums["target/party/count"], [1, 1, 1])
    np.testing.assert_array_equal(sums["target/party/known"], [0, 0, 0])


def test_the_file_beside_the_model_says_that_there_are_no_labels(number: Trained) -> None:
    assert number.extra["top_k"] is None
    assert number.extra["labels"] is None
    assert number.extra["data"]["label_kind"] == "number"
