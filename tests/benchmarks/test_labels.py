"""Tests of the benchmark of features of labels, on customers made here."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.commands.products import labels as measure_labels
from benchmarks.labels import counting, data, measure
from benchmarks.labels.counting import CHAIN, CHAIN_ORACLE, CHAIN_REPEATS, ORACLE, SUBCLASSES, Counting
from benchmarks.labels.data import COST, PRICE, SUBCLASS, UNKNOWN, Queries, Split, split_of


def item(subclass: str, price: float = 1.0) -> dict[str, str]:
    return {SUBCLASS: subclass, PRICE: f"{price:g}", COST: "1"}


def test_a_tenth_of_the_products_is_held_out_and_the_last_two_of_a_customer_are_not_trained_on() -> None:
    rng = np.random.default_rng(0)
    rows = [{"products": [f"p{i:02}" for i in rng.integers(0, 40, 8)]} for _ in range(60)]
    rows.append({"products": ["p00", "p01"]})
    found = split_of(rows, {})
    assert len(found.held_out) == 4
    assert sorted(found.names) == [f"p{i:02}" for i in range(40)]
    assert (np.diff(found.counts) <= 0).all()
    assert len(found.train) == len(found.evaluation.labels) == len(found.test.labels) == 60
    for row, numbered, before, label, after, last in zip(
        rows, found.train, found.evaluation.histories, found.evaluation.labels, found.test.histories, found.test.labels,
        strict=False,
    ):  # fmt: skip
        products = [found.names[i] for i in (*after, last)]
        assert products == row["products"]
        np.testing.assert_array_equal(numbered, before)
        np.testing.assert_array_equal([*before, label], after)
    labels = np.concatenate([row[1:] for row in found.train])
    np.testing.assert_array_equal(np.bincount(labels[labels < found.known]), found.counts)


def test_a_product_that_only_the_left_out_part_has_is_unknown() -> None:
    rows = [{"products": ["a", "b", "a", *end]} for end in (("b", "a"), ("b", "c"))]
    found = split_of(rows, {})
    assert found.held_out == []
    assert found.test.labels.tolist() == [found.names.index("a"), UNKNOWN]


def small() -> Split:
    """Return two known products of each of two subclasses, which alternate, and two of each that are held out."""
    names = ["a0", "b0", "a1", "b1", "a2", "a3", "b2", "b3"]
    items = {name: item(name[0]) for name in names}
    train = [np.array([0, 1, 0, 3, 2, 1])] * 3
    queries = Queries([np.array([0, 1]), np.array([1, 5, 0]), np.array([0])], np.array([4, 7, 7]))
    return Split(names, np.array([6, 6, 3, 3]), train, queries, queries, items)


def test_the_chain_follows_the_subclasses_and_the_ceilings_read_the_split_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "LATEST", 1)
    split = small()
    found = Counting(split).rankings(split.evaluation, 3)
    assert set(found) == {*counting.BASELINES, *counting.CEILINGS}
    # After a product of subclass b comes one of a, and the other way round.
    np.testing.assert_array_equal(found[CHAIN], [[4, 5, 6], [6, 7, 4], [6, 7, 4]])
    # Product 7 is the label of two customers, product 4 of one, and the others of none.
    np.testing.assert_array_equal(found[ORACLE], [[7, 4, 5]] * 3)
    np.testing.assert_array_equal(found[CHAIN_ORACLE], [[4, 5, 6], [7, 4, 5], [7, 4, 5]])
    # The second customer has bought product 5.
    np.testing.assert_array_equal(found[CHAIN_REPEATS][1], [5, 7, 4])
    np.testing.assert_array_equal(found[SUBCLASSES], [[4, 5, 6]] * 3)
    np.testing.assert_array_equal(counting.hits(found[ORACLE][:, :2], split.evaluation.labels), [1, 1, 1])
    np.testing.assert_array_equal(counting.hits(found[CHAIN][:, :1], split.evaluation.labels), [1, 0, 0])


def test_items_have_the_price_of_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        ["", "", "", "", "food", "milk", "2", "6", "10"],
        ["", "", "", "", "food", "milk", "1", "4", "7"],
        ["", "", "", "", "else", "milk", "1", "4", "8"],
        ["", "", "", "", "else", "soap", "4", "6", "12"],
    ]
    monkeypatch.setattr(data, "events", lambda file: enumerate(lines, start=2))
    assert data.read_items() == {
        "milk": {SUBCLASS: "food", PRICE: "7", COST: "4"},
        "soap": {SUBCLASS: "else", PRICE: "3", COST: "1.5"},
    }


@pytest.mark.slow
def test_features_alone_rank_products_that_training_has_never_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The subclasses follow each other in turn, so that features are all that predicts the next product."""
    from benchmarks.labels import training

    rng = np.random.default_rng(0)
    products = {s: [f"{s}{i:02}" for i in range(20)] for s in "abcdef"}
    items = {name: item(s, i) for s, names in products.items() for i, name in enumerate(names)}

    def row() -> dict[str, list[str]]:
        start = rng.integers(6)
        return {"products": [rng.choice(products["abcdef"[(start + i) % 6]]) for i in range(12)]}

    split = split_of([row() for _ in range(1_000)], items)
    monkeypatch.setattr(data, "tafeng", lambda: split)
    model = {**training.TRAINER["model"], "embedding": 16, "projection": 16, "units": 16, "context": 8, "dropout": 0}
    trainer = {"model": model, "batch": 256, "epochs": 6, "learning_rate": 0.02}
    monkeypatch.setattr(training, "TRAINER", trainer)
    monkeypatch.setattr(measure, "K", 2)
    out, file = io.StringIO(), tmp_path / "figures.json"
    assert measure_labels([training.NO_FEATURES, training.DEFAULT], True, out, file) == 0
    figures = json.loads(file.read_text())
    assert (figures["known_products"], figures["held_out_products"]) == (108, 12)
    for name in ("eval", "test"):
        found = figures["found"][name]
        held_out = {form: of["mean"] for form, of in found["held_out"].items()}
        assert held_out[counting.SUBCLASSES] < 0.5 < held_out[training.DEFAULT]
        assert set(found["known"]) == {training.NO_FEATURES, training.DEFAULT}
        assert found["gains"].keys() == {training.DEFAULT}
    assert "Ta-Feng, eval split" in out.getvalue()
    assert "Ta-Feng, test split" in out.getvalue()
