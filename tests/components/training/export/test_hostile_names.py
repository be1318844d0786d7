"""Tests of trainings on columns named like the pipeline's own, or in ways that its libraries do not accept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.evaluation.metrics import model_metrics
from components.ingest.spec import DataSpec
from components.metrics.targets import further_targets, label_target
from tests.components.training.conftest import Row, make_corpus, serialize

pytestmark = pytest.mark.slow  # one training per test

SETS: dict[str, dict[str, list[str]]] = {
    "of the pipeline, and odd": {
        "inputs": ["label", "labels", "Viewed Item (cm)", "größe"],
        "numbers": [
            *("input_ids", "values", "examples", "label_value", "targets"),
            *("Os", "os", "column/Os", "y" * 2_000),
        ],
        "categories": [
            *("label_ids", "inputs", "probabilities", "tokens", "encoder"),
            *("a/b", "c/b", "a\\d", "e\nf", " ", "class", "_x", "x" * 300),
        ],
    },
    "of targets": {
        "inputs": ["nll", "rank"],
        "target_numbers": ["label", "label_ids", "user-os", "user.os", "head", "Y y"],
        "target_categories": ["input_ids", "features", "x", "x/baseline/popular"],
    },
}


def of_kind(numbers: list[str], categories: list[str]) -> dict[str, Any]:
    return {**{name: {"kind": "number"} for name in numbers}, **{name: {"kind": "category"} for name in categories}}


@pytest.mark.parametrize("names", SETS.values(), ids=list(SETS))
def test_columns_may_have_any_name(names: dict[str, list[str]], run: Any, tmp_path: Path) -> None:
    data = DataSpec.model_validate(
        {
            "shape": "labelled",
            "source": {"kind": "sotu"},
            "inputs": names["inputs"],
            "label": "bought",
            "tokenizer": "none",
            "features": of_kind(names.get("numbers", []), names.get("categories", [])),
            "targets": of_kind(names.get("target_numbers", []), names.get("target_categories", [])),
        }
    )
    side = {**data.features, **data.targets}
    rows: list[Row] = [
        {
            **{name: [f"{place}{n % 4}".encode()] for place, name in enumerate(data.inputs)},
            "bought": [f"L{n % 4}".encode()],
            **{name: [float(n % 4)] if of.kind == "number" else [f"v{n % 2}".encode()] for name, of in side.items()},
        }
        for n in range(64)
    ]
    numbers = {name for name, of in side.items() if of.kind == "number"}
    corpus = make_corpus(data, rows, tmp_path, numbers)
    model = {"context": 4, "ngrams": 1, "num_heads": 0}
    run(corpus.fn_args(tmp_path, {"model": model, "epochs": 1, "batch": 8, "validation_examples": 8}))
    model = tf.saved_model.load(str(tmp_path / "model"))
    examples = tf.constant([serialize(row) for row in corpus.rows])
    answer = model.signatures["serving_default"](examples=examples)
    assert set(data.targets) <= set(answer)
    columns = {name: tf.constant([row[name] for row in corpus.rows]) for name in data.inputs}
    columns |= {name: tf.constant([row[name][0] for row in corpus.rows]) for name in data.features}
    by_name = model.signatures["predict"](**columns)
    assert set(by_name) == set(answer)
    np.testing.assert_array_equal(by_name["labels"], answer["labels"])
    sums = model.signatures["eval"](examples=examples)
    targets = (label_target(data), *further_targets(data))
    assert set(sums) == {column for target in targets for column in target.sum_names}
    # The names of metrics also name their target.
    measured = model_metrics(targets, tuple(np.ones((1 + len(p.baselines), len(p.sum_names))) for p in targets))
    for target in targets:
        mine = {target.name(metric.name, name, band) for metric in target.metrics for name in (None, *target.baselines)
                for band in target.bands}  # fmt: skip
        others = {of for other in targets if other != target for of in other.sum_names}
        assert mine <= set(measured)
        assert not others & set(target.sum_names)
