"""Tests of TFX's Evaluator with our metric: hand-worked values, slices, rejections, comparison with the last model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

import components.compat.beam_speed  # noqa: F401  as in the pipeline, for fewer seconds
from components.evaluation import row_sums
from components.evaluation.config import eval_config
from components.evaluation.executor import EvaluatorExecutor
from components.evaluation.results import read_results
from components.evaluation.spec import EvaluationSpec
from components.ingest.spec import DataSpec
from components.metrics.targets import label_target
from components.names import ROWS as ROWS_READ
from tests.components.messages.observed import observed

pytestmark = pytest.mark.slow  # a Beam pipeline for each test
DATA = DataSpec(shape="sequence", source={"kind": "sotu"}, inputs=["words"], slices=["party"])  # type: ignore[arg-type]
LABEL = label_target(DATA)
COLUMNS = LABEL.stored_names
Row = dict[str, Any]
# Each token but the first is a label. The baselines have 2 nats per label, and hits at 10 on two labels per row.
ROWS: list[Row] = [
    {"words": ["a", "b", "c"], "party": ["Whig"]},
    {"words": ["a", "b", "c", "d", "e"], "party": ["Whig"]},
    {"words": ["a", "b", "c", "d"], "party": ["Democratic"]},
    {"words": ["a", "b", "c"], "party": []},
]


def baseline_sums(row: Row) -> list[float]:
    n = len(row["words"]) - 1
    sums = {"count": n, "known": n, "nll": 2.0 * n, "hit_1": 1, "hit_10": 2, "hit_20": 2, "rr_10": 1.5}
    return [float(sums.get(column, 0)) for column in COLUMNS]


LABELS = [
    row | {f"bigvocab/baseline/{name}": baseline_sums(row) for name in ("popular", "bigram", "trigram")} for row in ROWS
]


class Model(tf.Module):
    """Model with the same nll for every label and the same number of hits at 10 for every row."""

    def __init__(self, nll: float, hits: float, without: str = "") -> None:
        super().__init__()
        self.nll, self.hits, self.without = nll, hits, without

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        words = tf.io.parse_example(examples, {"words": tf.io.RaggedFeature(tf.string)})["words"]
        n = tf.cast(words.row_lengths() - 1, tf.float32)
        ones = tf.ones_like(n)
        sums = {"count": n, "known": n, "nll": n * self.nll, "hit_10": ones * self.hits, "hit_20": ones * 2}
        sums |= {"count_head": ones, "known_head": ones, "nll_head": ones * 0.5}
        # All predictions have a probability of .25, and one of each row is correct.
        sums |= {"top_count_5": n, "top_confidence_5": n * 0.25, "top_correct_5": ones}
        return {column: sums.get(column, tf.zeros_like(n)) for column in LABEL.sum_names if column != self.without}


@pytest.fixture
def evaluate(tmp_path: Path, write: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    def model(name: str, module: Any) -> Any:
        artifact = standard_artifacts.Model()
        artifact.uri = str(tmp_path / name)
        tf.saved_model.save(module, f"{artifact.uri}/Format-Serving", signatures={"eval": module.evaluate})
        return artifact

    def evaluate_(
        candidate: Any, evaluation: EvaluationSpec, last: Any = None, data: DataSpec = DATA, rows: Any = LABELS
    ) -> dict[str, Any]:
        numbered = [{**row, "bigvocab/row": [number]} for number, row in enumerate(rows)]
        files = write({"test": numbered}, ["a"], ["a"])
        examples = standard_artifacts.Examples()
        examples.uri, examples.split_names = str(files.examples), artifact_utils.encode_split_names(["test"])
        inputs = {"examples": [examples], "model": [model("candidate", candidate)]}
        if last is not None:
            inputs["baseline_model"] = [model("last", last)]
        output, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
        output.uri, blessing.uri = str(tmp_path / "evaluation"), str(tmp_path / "blessing")
        # If an image is set, TFX does not build a source package of itself for remote workers.
        args: list[Any] = ["--runner=FnApiRunner", "--sdk_container_image=none"]
        context = base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=args, tmp_dir=str(tmp_path / "tmp"), unique_id="1"
        )
        config = proto_utils.proto_to_json(eval_config(data, evaluation))
        examples.set_int_custom_property(ROWS_READ, len(rows))
        with observed() as works:
            EvaluatorExecutor(context).Do(
                inputs,
                {"evaluation": [output], "blessing": [blessing]},
                {"eval_config": config, "example_splits": '["test"]'},
            )
        assert works["Evaluator"].total == len(rows)
        results = read_results(output.uri)
        # The property that the Pusher reads.
        assert results["blessed"] == (blessing.get_int_custom_property("blessed") == 1)
        return results

    return evaluate_


def test_a_model_that_beats_the_baselines_is_blessed_with_metrics_by_slice(evaluate: Callable[..., Any]) -> None:
    # 8 / 11 over all rows, 2 / 3 over the Democratic row. A slice below a threshold does not reject the model.
    results = evaluate(Model(1.5, 2.0), EvaluationSpec(beat=["popular", "trigram"], min_recall_at_10=0.7))
    assert (results["blessed"], results["failures"], results["previous"]) == (True, [], None)
    metrics = results["metrics"]
    assert (metrics["count"], metrics["known"], metrics["oov_rate"]) == (11, 11, 0)
    assert metrics["nll"] == pytest.approx(1.5)
    assert metrics["perplexity"] == pytest.approx(4.4816891)
    assert metrics["recall_at_10"] == pytest.approx(8 / 11)
    assert results["bands"]["head"]["nll"] == pytest.approx(0.5)
    assert results["bands"]["head"]["count"] == 4
    assert results["bands"]["tail"]["nll"] is None
    assert results["baselines"]["bigram"]["nll"] == pytest.approx(2)
    assert results["baselines"]["bigram"]["mrr_at_10"] == pytest.approx(6 / 11)
    assert results["baseline_bands"]["bigram"]["head"]["count"] == 0
    recall, perplexity = results["margins"]
    assert (recall.baseline, recall.value, recall.low, recall.high, recall.rows) == ("popular", 0, 0, 0, len(ROWS))
    assert perplexity.value == pytest.approx(perplexity.high) == pytest.approx(0.60653066)

    assert [(entry["slice"], entry["value"]) for entry in results["slices"]] == [
        ("party", "Democratic"),
        ("party", "Whig"),
    ]
    gap = abs(0.25 - 4 / 11)
    assert (metrics["ece"], metrics["ece_confident"]) == (pytest.approx(gap), pytest.approx(gap))
    assert [point["count"] for point in results["reliability"]] == [0] * 5 + [11] + [0] * 7
    assert results["reliability"][5] == pytest.approx(
        {"low": 0.2, "high": 0.3, "count": 11, "confidence": 0.25, "share_correct": 4 / 11}
    )
    assert results["bands"]["head"]["ece"] is results["baselines"]["bigram"]["ece"] is None
    democratic, whig = results["slices"]
    assert democratic["ece"] == pytest.approx(abs(0.25 - 1 / 3))
    assert whig["ece"] == pytest.approx(abs(0.25 - 2 / 6))
    assert (democratic["count"], whig["count"]) == (3, 6)
    assert democratic["recall_at_10"] == pytest.approx(2 / 3)
    assert whig["recall_at_10"] == pytest.approx(4 / 6)
    assert whig["baselines"]["trigram"]["recall_at_1"] == pytest.approx(2 / 6)


def test_the_sums_of_each_row_are_written(evaluate: Callable[..., Any], tmp_path: Path) -> None:
    # With the last blessed model beside it, the sums are the candidate's.
    evaluate(Model(1.5, 1.0), EvaluationSpec(beat=[]), last=Model(1.5, 2.0))
    target = label_target(DATA)
    found = row_sums.read_row_sums(str(tmp_path / "evaluation"), target)
    assert found.shape == (len(ROWS), 4, len(target.sums))
    place = {name: number for number, name in enumerate(COLUMNS)}
    labels = [len(row["words"]) - 1 for row in ROWS]
    assert found[:, 0, place["count"]].tolist() == labels
    assert found[:, 0, place["hit_10"]].tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(found[:, 0, place["nll"]], np.multiply(1.5, labels))
    assert found[:, 3, place["hit_10"]].tolist() == [2, 2, 2, 2]
    assert found[:, 3, place["nll"]].tolist() == np.multiply(2.0, labels).tolist()


def test_many_rows_are_added_up_in_groups(
    evaluate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_sums, "GROUPS", 3)
    results = evaluate(Model(1.5, 2.0), EvaluationSpec(beat=[]))
    found = row_sums.read_row_sums(str(tmp_path / "evaluation"), label_target(DATA))
    labels = [len(row["words"]) - 1 for row in ROWS]
    assert found[:, 0, 0].tolist() == [labels[0] + labels[3], labels[1], labels[2]]
    assert {margin.rows for margin in results["margins"]} == {3}


def test_a_model_that_is_worse_within_the_interval_is_rejected_and_the_reason_says_so(
    evaluate: Callable[..., Any],
) -> None:
    # The model hits 2 labels of each row, and the baseline 2 labels too, but 4 of the second row.
    better = [{**row, "bigvocab/baseline/bigram": [*row["bigvocab/baseline/bigram"]]} for row in LABELS]
    better[1]["bigvocab/baseline/bigram"][COLUMNS.index("hit_10")] = 4.0
    results = evaluate(Model(1.5, 2.0), EvaluationSpec(beat=["bigram"]), rows=better)
    assert results["failures"] == [
        "recall@10 is 0.7273, below the bigram baseline's 0.9091 (equal within the interval)"
    ]
    assert results["margins"][0].baseline == "bigram"


def test_a_model_below_the_thresholds_is_rejected_with_reasons(evaluate: Callable[..., Any]) -> None:
    spec = EvaluationSpec(beat=["bigram"], min_recall_at_10=0.5, max_perplexity=8, max_ece=0.1)
    results = evaluate(Model(2.5, 1.0), spec)
    assert results["blessed"] is False
    assert sorted(results["failures"]) == [
        "ECE is 0.1136: at most 0.1 is wanted",
        "perplexity is 12.18, above the bigram baseline's 7.389",
        "perplexity is 12.18: at most 8 is wanted",
        "recall@10 is 0.3636, below the bigram baseline's 0.7273",
        "recall@10 is 0.3636: at least 0.5 is wanted",
    ]


@pytest.mark.parametrize(("nll", "blessed"), [(1.51, True), (1.55, False)])
def test_the_change_against_the_last_blessed_model(evaluate: Callable[..., Any], nll: float, blessed: bool) -> None:
    results = evaluate(Model(nll, 2.0), EvaluationSpec(max_nll_increase=0.02), last=Model(1.5, 2.0))
    assert results["blessed"] is blessed
    assert results["previous"]["nll"] == pytest.approx(1.5)
    assert results["metrics"]["nll"] == pytest.approx(nll)
    expected = [] if blessed else ["nll (nats) rose by 0.05 over the last blessed model's 1.5: at most 0.02 is allowed"]
    assert results["failures"] == expected


def test_a_model_without_a_finite_nll_is_rejected_with_no_other_threshold(evaluate: Callable[..., Any]) -> None:
    results = evaluate(Model(float("nan"), 2.0), EvaluationSpec(beat=[]))
    assert (results["blessed"], results["metrics"]["nll"]) == (False, None)
    assert results["failures"] == ["nll (nats) is not a finite number"]


def test_a_missing_column_is_named(evaluate: Callable[..., Any]) -> None:
    with pytest.raises(Exception, match="the model's eval signature does not answer rr_10_tail"):
        evaluate(Model(1.5, 2.0, without="rr_10_tail"), EvaluationSpec())


REGRESSION = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "sotu"},
        "inputs": ["words"],
        "label": "year",
        "label_kind": "number",
        "targets": {"party": {"kind": "category"}},
        "slices": ["decade"],
    }
)
YEARS: list[Row] = [
    {"words": ["a"], "year": [1940.0], "decade": ["1940s"], "bigvocab/baseline/mean": [1.0, 10, 10, -10, 10]},
    {"words": ["b"], "year": [1960.0], "decade": ["1960s"], "bigvocab/baseline/mean": [1.0, 10, 10, 10, 10]},
]


class Years(tf.Module):
    """Model with the same error for every row and the right party; without `party`, an earlier model with no party."""

    def __init__(self, error: float, party: bool = True, scale: float = 1.0) -> None:
        super().__init__()
        self.error, self.party, self.scale = error, party, scale

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed: Any = tf.io.parse_example(examples, {"year": tf.io.FixedLenFeature([], tf.float32)})
        year = tf.cast(parsed["year"], tf.float64)
        ones = tf.ones_like(year)
        label = {"squared_error": ones * self.error**2, "absolute_error": ones * self.error}
        mean = 1950 * self.scale
        party = {f"target/party/{name}": ones for name in ("count", "known", "nll", "hit_1")} if self.party else {}
        return {"count": ones, **label, "deviation": year - mean, "squared_deviation": (year - mean) ** 2, **party}


@pytest.mark.parametrize(
    ("error", "last", "failures"),
    [
        (8.0, None, []),
        (12.0, None, ["rmse is 12, above the mean baseline's 10"]),
        (8.1, Years(8.0, party=False), []),
        (
            9.0,
            Years(8.0, party=False),
            ["rmse rose by 1 over the last blessed model's 8: at most 2.0% is allowed"],
        ),
    ],
)
def test_a_number_and_a_further_target(evaluate: Callable[..., Any], error: float, last: Any, failures: Any) -> None:
    rows = [{**row, "bigvocab/target/party/baseline/popular": [1.0, 1, 2, 0]} for row in YEARS]
    results = evaluate(Years(error), EvaluationSpec(beat=["mean"]), last, data=REGRESSION, rows=rows)
    assert results["failures"] == failures
    assert results["blessed"] is not bool(failures)
    assert results["metrics"] == pytest.approx({"rmse": error, "mae": error, "r2": 1 - error**2 / 100, "count": 2})
    assert results["baselines"]["mean"]["rmse"] == pytest.approx(10)
    assert (results["bands"], results["baseline_bands"]) == ({}, {})
    assert results["targets"] == {"party": {"accuracy": 1, "nll": 1, "count": 2, "known": 2}}
    assert results["target_baselines"]["party"]["popular"]["nll"] == 2
    assert [entry["value"] for entry in results["slices"]] == ["1940s", "1960s"]
    assert [entry["rmse"] for entry in results["slices"]] == pytest.approx([error] * 2)
    assert results["slices"][0]["targets"]["party"]["accuracy"] == 1
    if last:
        assert results["previous"]["rmse"] == pytest.approx(8)
        assert results["previous_targets"]["party"]["accuracy"] is None


def test_numbers_whose_squares_no_float32_holds(evaluate: Callable[..., Any]) -> None:
    scale = 1e21
    rows = [
        {
            **row,
            "year": [row["year"][0] * scale],
            "bigvocab/baseline/mean": [1.0, *(scale * x for x in row["bigvocab/baseline/mean"][1:])],
        }
        for row in YEARS
    ]
    data = REGRESSION.model_copy(update={"targets": {}})
    results = evaluate(Years(8 * scale, party=False, scale=scale), EvaluationSpec(beat=["mean"]), None, data, rows)
    assert results["blessed"]
    metrics = {"rmse": 8 * scale, "mae": 8 * scale, "r2": 0.36, "count": 2}
    assert results["metrics"] == pytest.approx(metrics, rel=1e-5)
    assert results["baselines"]["mean"]["rmse"] == pytest.approx(10 * scale)
