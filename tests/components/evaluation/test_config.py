"""Tests of the thresholds in the Evaluator's configuration."""

from __future__ import annotations

from typing import Any

import pytest

from components.evaluation.config import eval_config
from components.evaluation.spec import EvaluationSpec
from components.ingest.spec import DataSpec

SEQUENCE = DataSpec(shape="sequence", source={"kind": "sotu"}, inputs=["words"], slices=["decade"])  # type: ignore[arg-type]


def thresholds(evaluation: EvaluationSpec, data: DataSpec = SEQUENCE) -> dict[str, Any]:
    (spec,) = eval_config(data, evaluation).metrics_specs
    return {name: value.thresholds[0].threshold for name, value in spec.per_slice_thresholds.items()}


def test_there_is_always_a_threshold() -> None:
    found = thresholds(EvaluationSpec(beat=[]))
    assert set(found) == {"nll"}
    assert found["nll"].value_threshold.lower_bound.value == 0
    assert found["nll"].change_threshold.absolute.value == 0.02


def test_every_setting_is_a_threshold() -> None:
    found = thresholds(
        EvaluationSpec(beat=["trigram"], min_recall_at_10=0.5, max_perplexity=110, max_ece=0.03, max_nll_increase=0)
    )
    assert set(found) == {
        "nll",
        "recall_at_10_over_trigram",
        "perplexity_over_trigram",
        "recall_at_10",
        "perplexity",
        "ece",
    }
    assert found["recall_at_10"].value_threshold.lower_bound.value == 0.5
    assert found["perplexity"].value_threshold.upper_bound.value == 110
    assert found["ece"].value_threshold.upper_bound.value == 0.03
    assert found["nll"].change_threshold.absolute.value == 0


def test_slices_and_code() -> None:
    config = eval_config(SEQUENCE, EvaluationSpec(), code="abc")
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["decade"]]
    assert config != eval_config(SEQUENCE, EvaluationSpec(), code="abd")


REGRESSION = DataSpec.model_validate(
    {"shape": "labelled", "source": {"kind": "sotu"}, "inputs": ["words"], "label": "year", "label_kind": "number"}
)
ITEMS = SEQUENCE.model_copy(update={"tokenizer": "none"})


def test_all_baselines_that_apply_must_be_beaten_where_nothing_is_said() -> None:
    assert set(thresholds(EvaluationSpec())) - {"nll"} == {
        f"{metric}_over_{name}"
        for metric in ("recall_at_10", "perplexity")
        for name in ("popular", "bigram", "trigram")
    }
    assert EvaluationSpec().beaten(ITEMS) == ("popular", "bigram", "trigram", "cooccurrence", "history")
    assert EvaluationSpec(exclude_seen=True).beaten(ITEMS) == ("popular", "bigram", "trigram", "cooccurrence")
    assert EvaluationSpec().beaten(REGRESSION) == ("mean",)


def test_a_baseline_that_only_ranks_is_compared_by_rank_alone() -> None:
    found = thresholds(EvaluationSpec(beat=["cooccurrence", "history"]), ITEMS)
    assert set(found) == {"nll", "recall_at_10_over_cooccurrence", "recall_at_10_over_history"}
    assert found["recall_at_10_over_history"].value_threshold.lower_bound.value == 0


def test_a_baseline_that_the_shape_has_not_is_named() -> None:
    source = {"kind": "csv", "path": "x.csv"}
    data = DataSpec(shape="labelled", source=source, inputs=["a"], label="b")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape 'labelled' has no baseline trigram; it has popular, bigram"):
        eval_config(data, EvaluationSpec(beat=["trigram"]))


def test_a_number_is_held_to_its_rmse() -> None:
    evaluation = EvaluationSpec(beat=["mean"], max_rmse=30, max_rmse_increase=0.05)
    (spec,) = eval_config(REGRESSION, evaluation).metrics_specs
    found = {name: value.thresholds[0].threshold for name, value in spec.per_slice_thresholds.items()}
    assert set(found) == {"rmse", "rmse_over_mean"}
    assert (found["rmse"].value_threshold.lower_bound.value, found["rmse"].value_threshold.upper_bound.value) == (0, 30)
    assert found["rmse"].change_threshold.relative.value == 0.05
    assert found["rmse_over_mean"].value_threshold.upper_bound.value == 1


def test_a_number_has_no_popular_class() -> None:
    with pytest.raises(ValueError, match="a label that is a number has no baseline popular; it has mean"):
        eval_config(REGRESSION, EvaluationSpec(beat=["popular"]))


@pytest.mark.parametrize("tokenizer", ["none", "words"])
def test_several_labels_per_row_have_baselines_and_thresholds_of_their_own(tokenizer: str) -> None:
    columns = {"shape": "labelled", "inputs": ["items"], "label": "tags", "label_kind": "classes"}
    data = DataSpec.model_validate({**columns, "source": {"kind": "sotu"}, "tokenizer": tokenizer})
    baselines = ["popular", "bayes", "nearest", *(["history"] if tokenizer == "none" else [])]
    assert set(thresholds(EvaluationSpec(min_precision_at_1=0.3), data)) == {
        "nll",
        "precision_at_1",
        "perplexity_over_popular",
        "perplexity_over_bayes",
        *(f"recall_at_10_over_{name}" for name in baselines),
    }
    assert "recall_at_10_over_nearest" in thresholds(EvaluationSpec(beat=["nearest"]), data)
    with pytest.raises(ValueError, match="data with several labels per row has no baseline bigram; it has popular"):
        thresholds(EvaluationSpec(beat=["bigram"]), data)
