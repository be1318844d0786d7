"""Tests of the rows that one of two models answers right and the other wrong, with models that answer by a rule."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.inference.model import PushedModel
from components.inference.rows.questions import Question
from components.ingest.rows.example import serialize
from components.ingest.spec import DataSpec
from components.metrics.targets import label_target
from components.names import FIRST_LABEL
from pipeline.comparison.cases import Draw, cases

SEQUENCE: dict[str, Any] = {"shape": "sequence", "source": {"kind": "jsonl", "path": "x.jsonl"}, "inputs": ["items"]}
ITEMS = {**SEQUENCE, "tokenizer": "none"}
BASKETS = {**ITEMS, "baskets": "day", "label_kind": "classes"}


def answering(data: dict[str, Any], next_of: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> PushedModel:
    """Return a model that answers by the last token of a row."""
    spec = DataSpec.model_validate(data)

    def answers(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        items = tf.io.parse_example(examples, {"items": tf.io.RaggedFeature(tf.string)})["items"]
        last = [row[-1].decode() for row in items.to_list()]
        labels = [[next_of.get(each, "?"), "!"] for each in last]
        return {"labels": tf.constant(labels), "probabilities": tf.constant([[0.7, 0.1]] * len(last))}

    found = PushedModel.__new__(PushedModel)
    found.folder, found.data, found.top_k, found.threshold = "model", spec, 2, None
    monkeypatch.setattr(found, "_loaded", SimpleNamespace(signatures={"serving_default": answers}), raising=False)
    return found


def drawn(data: dict[str, Any], rows: list[dict[str, Any]], hits: list[tuple[int, int]], shown: int = 10) -> Draw:
    target = label_target(DataSpec.model_validate(data))
    sums = np.zeros((len(rows), 2, len(target.sum_names)))
    sums[:, :, target.sum_names.index("hit_10")] = hits
    questions = [Question(n, f"row {n}", serialize(row)) for n, row in enumerate(rows)]
    draw = Draw(target, 1, shown)
    draw.add([questions, questions], sums)
    return draw


def test_of_a_sequence_the_position_is_shown_at_which_the_models_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    first = answering(ITEMS, {"a": "b", "b": "c"}, monkeypatch)
    other = answering(ITEMS, {"a": "b", "c": "d"}, monkeypatch)
    rows = [{"items": ["a", "b", "c"]}, {"items": ["a", "b", "c", "d"]}, {"items": ["c", "d"]}]
    found = cases(drawn(ITEMS, rows, [(2, 1), (2, 2), (0, 1)]), (first, other), False, "other")
    assert (found.rows_first, found.rows_other) == (1, 1)
    (case,) = found.first_right
    assert (case.where, case.input, case.truth) == ("row 0", "a b", ["c"])
    assert [answer.rank for answer in case.answers] == [1, None]
    (case,) = found.other_right
    assert (case.input, case.truth, case.answers[1].labels[0]) == ("c", ["d"], ("d", pytest.approx(0.7)))


def test_context_before_the_first_label_of_the_split_is_no_position(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {**ITEMS, "splits": {"leave_out": 1}}
    first, other = answering(data, {"a": "b", "b": "c"}, monkeypatch), answering(data, {}, monkeypatch)
    found = cases(drawn(data, [{"items": ["a", "b", "c"], FIRST_LABEL: [2]}], [(1, 0)]), (first, other), False, "other")
    assert [case.input for case in found.first_right] == ["a b"]


def test_items_of_the_row_are_left_out_if_the_ranking_leaves_them_out(monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = answering(ITEMS, {"b": "a"}, monkeypatch), answering(ITEMS, {}, monkeypatch)
    draw = drawn(ITEMS, [{"items": ["a", "b", "a"]}], [(1, 0)])
    assert cases(draw, (first, other), False, "other").first_right
    assert not cases(draw, (first, other), True, "other").first_right


def test_the_labels_of_a_basket_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = answering(BASKETS, {"b": "d"}, monkeypatch), answering(BASKETS, {}, monkeypatch)
    row = {"items": ["a", "b", "c", "d"], "day": ["1", "1", "2", "2"]}
    (case,) = cases(drawn(BASKETS, [row], [(1, 0)]), (first, other), False, "other").first_right
    assert (case.input, case.truth) == ("a b", ["c", "d"])


def test_the_draw_is_the_same_each_time_and_counts_all_rows() -> None:
    rows = [{"items": ["a", str(n)]} for n in range(60)]
    hits = [(n % 2, 0) for n in range(60)]
    one, two = (drawn(ITEMS, rows, hits, shown=5) for _ in range(2))
    assert one.counts == [30, 0]
    assert [found.place for found in one.rows(0)] == [found.place for found in two.rows(0)]
    assert len(one.rows(0)) == 5
    assert all(found.place % 2 for found in one.rows(0))
    assert drawn(ITEMS, rows, hits, shown=0).rows(0) == []


def test_of_numbers_the_greatest_differences_of_the_errors_are_drawn() -> None:
    data = {**SEQUENCE, "shape": "labelled", "label": "price", "label_kind": "number"}
    target = label_target(DataSpec.model_validate(data))
    sums = np.zeros((4, 2, len(target.sum_names)))
    sums[:, :, target.sum_names.index("absolute_error")] = [(1, 9), (1, 2), (1, 5), (3, 1)]
    draw = Draw(target, 1, 2)
    draw.add([[Question(n, f"row {n}", b"") for n in range(4)]] * 2, sums)
    assert [found.place for found in draw.rows(0)] == [0, 2]
    assert [found.place for found in draw.rows(1)] == [3]
