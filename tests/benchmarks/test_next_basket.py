"""Tests of the benchmark of the next basket, on customers made here."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.basket import data, measure
from benchmarks.basket.baselines import rankings
from benchmarks.basket.data import Customer, all_of, before, customers_of, last_of
from benchmarks.basket.neighbors import Settings as NeighborSettings
from benchmarks.basket.neighbors import tifu_knn
from benchmarks.basket.training import Settings, best, weights_of
from benchmarks.commands.products import next_basket


def customer(*baskets: list[int]) -> Customer:
    return Customer(list(range(len(baskets))), [np.array(basket, np.int32) for basket in baskets])


def test_a_basket_has_the_frequent_products_of_a_date_once() -> None:
    frequent = {"products": ["a", "b"] * 10, "dates": ["2001-01-01"] * 20}
    buyer = {
        "products": ["b", "b", "rare", "rare", "a", "b"],
        "dates": ["2000-12-31", "2000-12-31", "2000-12-31", "2001-01-01", "2001-01-03", "2001-01-03"],
    }
    two = {"products": ["a", "b"], "dates": ["2001-01-01", "2001-01-02"]}
    third = {**buyer, "dates": ["2000-12-31", "2000-12-31", "2001-01-02", "2001-01-02", "2001-01-03", "2001-01-04"]}
    customers, products = customers_of([frequent, buyer, two, third])
    assert products == 2
    assert [[basket.tolist() for basket in each.baskets] for each in customers] == [[[1], [0], [1]]]
    assert np.diff(customers[0].days).tolist() == [3, 1]


def test_examples_are_padded_on_the_left_with_the_latest_basket_last() -> None:
    customers = [customer([1, 2, 3], [4], [2, 5]), customer([6], [7])]
    last = last_of(customers, 3, padding=9)
    np.testing.assert_array_equal(last.ids, [[1, 2, 4], [9, 9, 6]])
    np.testing.assert_array_equal(last.ages, [[2, 2, 1], [0, 0, 1]])
    np.testing.assert_array_equal(last.labels, [[2, 5], [7, -1]])
    np.testing.assert_array_equal(last.days, [2, 1])
    np.testing.assert_array_equal(last.latest, [1, 0])
    both = all_of(customers, 3, padding=9)
    np.testing.assert_array_equal(both.ids, [[1, 2, 3], [1, 2, 4], [9, 9, 6]])
    np.testing.assert_array_equal(both.labels, [[4, -1], [2, 5], [7, -1]])
    assert len(all_of(before(customers, 1), 3, padding=9)) == 1


def test_baselines_rank_by_counts() -> None:
    found = rankings([customer([3, 1], [1], [2]), customer([2, 1]), customer([0, 1])], 5, 3)
    np.testing.assert_array_equal(found["popular"], [[1, 2, 0]] * 3)
    np.testing.assert_array_equal(found["own"], [[1, 3, 2], [2, 1, -1], [0, 1, -1]])
    np.testing.assert_array_equal(found["own, then popular"], [[1, 3, 2], [2, 1, 0], [0, 1, 2]])
    np.testing.assert_array_equal(found["own, latest first"], [[1, 2, 3], [2, 1, 0], [0, 1, 2]])


def test_tifu_knn_adds_the_vectors_of_neighbors() -> None:
    customers = [customer([0], [1], [1, 2]), customer([1, 3], [2]), customer([4])]
    settings = NeighborSettings(within=0.5, between=0.25, group=2, neighbors=1, own=0.75)
    # Two groups: [0] alone, and [1], [1, 2].
    vectors = np.zeros((3, 5))
    vectors[0] = 0.25 * np.eye(5)[0] / 2 + (0.5 * np.eye(5)[1] + np.eye(5)[1] + np.eye(5)[2]) / 4
    vectors[1] = (0.5 * (np.eye(5)[1] + np.eye(5)[3]) + np.eye(5)[2]) / 2
    vectors[2] = np.eye(5)[4]
    distances = ((vectors[:, np.newaxis] - vectors) ** 2).sum(axis=2) + np.diag([np.inf] * 3)
    scores = 0.75 * vectors + 0.25 * vectors[distances.argmin(axis=1)]
    np.testing.assert_array_equal(
        tifu_knn(customers, 5, 3, settings), np.argsort(-scores, axis=1, kind="stable")[:, :3]
    )
    assert tifu_knn(customers[:1], 5, 2).tolist() == [[1, 2]]


def test_recall_and_ndcg_of_hand_worked_rows() -> None:
    recall, ndcg = measure.recall_and_ndcg(np.array([[4, 7], [1, -1]]), np.array([[7, 8, 9], [1, -1, -1]]))
    np.testing.assert_allclose(recall, [1 / 3, 1])
    np.testing.assert_allclose(ndcg, [(1 / np.log2(3)) / (1 + 1 / np.log2(3)), 1])


def test_recent_examples_weigh_more_and_the_mean_is_one() -> None:
    weights = weights_of(np.array([0, 30, 60]), Settings(days=30, constant=0.2))
    np.testing.assert_allclose(weights / weights[2], 0.2 + 0.8 * np.exp([-2.0, -1.0, 0.0]), rtol=1e-5)
    assert weights.mean() == pytest.approx(1)


def test_models_are_joined_by_their_mean_probability() -> None:
    ids, probabilities = np.array([4, 7, 7, 2, 9, 4]), np.array([0.5, 0.3, 0.4, 0.1, 0.05, 0.0])
    np.testing.assert_array_equal(best(ids, probabilities, 3), [7, 4, 2])


@pytest.mark.slow
@pytest.mark.parametrize("validation", [False, True])
def test_the_command_learns_what_customers_buy_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, validation: bool
) -> None:
    """Each customer buys three products in turn, which popularity cannot know."""
    rng = np.random.default_rng(0)

    def row() -> dict[str, Any]:
        own = rng.choice(60, 3, replace=False)
        return {
            "products": [f"p{own[day % 3]}" for day in range(6)],
            "dates": [f"2001-01-0{day + 1}" for day in range(6)],
        }

    rows = [row() for _ in range(200)]
    monkeypatch.setattr(measure, "read", lambda: rows)
    monkeypatch.setattr(data, "LEAST_PURCHASES", 1)
    monkeypatch.setattr("benchmarks.basket.training.Settings", lambda: Settings(8, batch=32, warmup=4, models=2))
    out, file = io.StringIO(), tmp_path / "figures.json"
    assert next_basket(validation, out, file) == 0
    figures = json.loads(file.read_text())
    assert (figures["customers"], figures["examples"]) == (200, 600 if validation else 800)
    recalls = {name: of["recall"]["mean"] for name, of in figures["metrics"].items()}
    assert recalls["own"] == 1.0
    assert recalls["popular"] < 0.3 < 0.6 < recalls[measure.MODEL]
    assert f"| {measure.MODEL}" in out.getvalue()
    assert ("the basket before the last" in out.getvalue()) == validation
