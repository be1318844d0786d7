"""Tests of the metrics of baselines by weight."""

from __future__ import annotations

import numpy as np
import pytest

from components.baselines.reading import Encoder
from components.baselines.targets import TargetBaselines
from components.ingest.rows.example import serialize
from components.ingest.spec import DataSpec
from components.metrics.definitions import WEIGHTED
from components.metrics.targets import further_targets
from components.names import FIRST_LABEL
from components.preprocessing.vocabulary import Vocabulary

SOURCE = {"kind": "jsonl", "path": "rows.jsonl"}
SEQUENCE = DataSpec.model_validate(
    {
        "shape": "sequence",
        "source": SOURCE,
        "inputs": ["items"],
        "tokenizer": "none",
        "weight": "w",
        "targets": {"price": {"kind": "number"}},
        "splits": {"leave_out": 1},
    }
)
LABELLED = {"shape": "labelled", "source": SOURCE, "inputs": ["items"], "label": "tag", "weight": "w"}
WORDS = Vocabulary(["a", "b", "c"], np.array([3, 2, 1]))
SEQUENCES = [
    serialize({"items": ["a", "b", "c"], "w": [9.0, 2.0, 3.0], "price": [10.0], FIRST_LABEL: [1]}),
    serialize({"items": ["c", "a", "b"], "w": [1.0, 4.0, 0.5], "price": [20.0], FIRST_LABEL: [2]}),
    serialize({"items": ["a", "b"], "w": [1.0, 7.0], FIRST_LABEL: [1]}),
]


def test_a_label_of_a_sequence_has_the_weight_of_its_token() -> None:
    found = Encoder(SEQUENCE, WORDS, WORDS)(SEQUENCES)
    assert found.labels.tolist() == [1, 2, 1, 1]
    assert found.weights is not None
    assert found.weights.tolist() == [2.0, 3.0, 0.5, 7.0]
    assert found.take(slice(1, 3)).weights.tolist() == [3.0, 0.5]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["class", "classes"])
def test_a_label_has_the_weight_of_its_row(kind: str) -> None:
    rows = [{"items": ["a"], "tag": ["b", "c"][: 1 if kind == "class" else 2], "w": [3.0]}]
    rows.append({"items": ["b"], "tag": ["x"], "w": [0.0]})
    data = DataSpec.model_validate({**LABELLED, "label_kind": kind})
    encoder = Encoder(data, WORDS, WORDS)
    records = [serialize(row) for row in rows]  # type: ignore[arg-type]
    found = encoder(records) if kind == "class" else encoder.several(records)
    assert found.weights is not None
    assert found.weights.tolist() == ([3.0, 0.0] if kind == "class" else [3.0, 3.0, 0.0])


def test_a_further_target_counts_by_the_weights_of_the_labels_of_its_row() -> None:
    baselines = TargetBaselines(SEQUENCE, {})
    baselines.count(SEQUENCES)
    (sums,) = baselines.measure(SEQUENCES).values()
    (target,) = further_targets(SEQUENCE)
    total = target.restored(sums).sum(axis=0)
    mean = (2 * 10 + 20) / 3
    plain, weighted = target.measured(total), target.measured(total, WEIGHTED)
    assert plain["count"] == 3
    assert weighted["count"] == pytest.approx(5.5)
    assert plain["rmse"] == pytest.approx(np.sqrt((2 * (10 - mean) ** 2 + (20 - mean) ** 2) / 3))
    assert weighted["rmse"] == pytest.approx(np.sqrt((5 * (10 - mean) ** 2 + 0.5 * (20 - mean) ** 2) / 5.5))
