"""Tests of the baselines that only rank, and of ranks without seen items: by hand, and against brute force."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.baselines import ranking as ranking_module
from components.baselines.counting import KeyCounts
from components.baselines.models import cooccurrence as cooccurrence_module
from components.baselines.models.cooccurrence import WINDOW
from components.baselines.models.history import LATEST
from components.baselines.ngrams import Baselines
from components.baselines.ranking import Scores, parts, ranks, spread
from components.baselines.reading import Encoder
from components.ingest.spec import DataSpec
from components.metrics.bands import BandSpec
from components.metrics.targets import label_target
from tests.components.baselines.test_reading import example, vocabulary
from tests.drawing import drawn

ITEMS = ["a", "b", "c", "d", "e"]
SESSIONS = DataSpec.model_validate(
    {"shape": "sequence", "source": {"kind": "sotu"}, "inputs": ["items"], "tokenizer": "none"}
)
NEXT = DataSpec.model_validate(
    {"shape": "labelled", "source": {"kind": "sotu"}, "inputs": ["items"], "label": "next", "tokenizer": "none"}
)
Rows = list[list[str]]
ROWS = st.lists(st.lists(st.sampled_from([*ITEMS, "rare"]), max_size=7), min_size=1, max_size=6)


def measured(data: DataSpec, train: list[bytes], test: list[bytes], exclude_seen: bool = False) -> dict[str, list[int]]:
    """Return the rank of each known label of the test rows by baseline."""
    encoder = Encoder(data, vocabulary(ITEMS), vocabulary(ITEMS))
    baselines = Baselines(data.shape, label_target(data, (), exclude_seen), encoder, BandSpec(), exclude_seen)
    baselines.count(encoder(train))
    baselines.estimate()
    labels = encoder(test)
    known = labels.take(np.flatnonzero(labels.labels >= 0))
    return {name: rank.tolist() for name, (_, rank) in baselines._measured(known).items()}


def sessions(rows: Rows) -> list[bytes]:
    return [example(items=row) for row in rows]


def test_cooccurrence_by_hand() -> None:
    # Pairs: a-b twice, a-c once, b-c once. The most popular labels are d and e.
    train = [["a", "b"], ["b", "a", "c"], *[["d", "e", "d"]] * 2]
    found = measured(SESSIONS, sessions(train), sessions([["a", "b"], ["a", "c"], ["c", "a"], ["a", "d"]]))
    # After a: b has 2 / sqrt(3) and c 1 / sqrt(3); then d, e and a by popularity.
    # After c: a and b have 1 / sqrt(2) each, and are labels as often (once), so that the smaller id comes first.
    assert found["cooccurrence"] == [1, 2, 1, 3]


def test_the_latest_item_weighs_most() -> None:
    train = [["a", "c"], ["b", "d"], ["e", "e"]]
    found = measured(SESSIONS, sessions(train), sessions([["b", "a", "c"], ["b", "a", "d"], ["a", "b", "c"]]))
    # After b, a: c has 1, d has 1 / sqrt(2). Each row also has its second item as a label.
    assert found["cooccurrence"][1::2] == [1, 2, 2]


def test_history_by_hand() -> None:
    train = [["a", "e"], ["a", "e"], ["a", "d"]]
    rows = [["b", "a", "b", "c", "b"], ["b", "a", "a"], ["b", "a", "b"], ["c", "e"], ["c", "b"]]
    found = measured(SESSIONS, sessions(train), sessions(rows))
    # The last label of each row. It is twice in the history; the later of two; the earlier of two; the most popular
    # after c, which is the history; and the fourth most popular after c.
    ends = np.cumsum([len(row) - 1 for row in rows]) - 1
    assert np.array(found["history"])[ends].tolist() == [1, 1, 2, 2, 5]


def test_a_baseline_that_only_ranks_has_no_nll() -> None:
    encoder = Encoder(SESSIONS, vocabulary(ITEMS), vocabulary(ITEMS))
    target = label_target(SESSIONS)
    assert target.baselines == ("popular", "bigram", "trigram", "cooccurrence", "history")
    baselines = Baselines("sequence", target, encoder, BandSpec())
    labels = encoder(sessions([["a", "b", "c"], ["a"], ["b", "rare"]]))
    baselines.count(labels)
    baselines.estimate()
    sums = baselines.measure(labels)["history"]
    nll, hits = (sums[:, target.sum_names.index(name)] for name in ("nll", "hit_10"))
    np.testing.assert_array_equal(nll, [np.nan, 0, 0])
    assert hits.tolist() == [2, 0, 0]
    summary = baselines.summary()
    assert (summary["metrics"]["history"]["nll"], summary["metrics"]["history"]["perplexity"]) == (None, None)
    assert summary["metrics"]["history"]["recall_at_10"] == pytest.approx(2 / 3)
    assert set(summary["discounts"]) == {"popular", "bigram", "trigram"}


def order_of(scores: dict[str, float], popular: list[str]) -> list[str]:
    return sorted(ITEMS, key=lambda item: (-scores.get(item, 0), popular.index(item)))


def brute_force(train: Rows, before: list[str], popular: list[str]) -> dict[str, list[str]]:
    """Return all items in the order of each ranking baseline."""
    pairs: Counter[tuple[str, str]] = Counter()
    for row in train:
        for i, one in enumerate(row):
            for j, other in enumerate(row):
                if i != j and abs(i - j) <= WINDOW and {one, other} <= set(ITEMS):
                    pairs[one, other] += 1
    scores: Counter[str] = Counter()
    for distance, item in enumerate(reversed(before[-WINDOW:]), start=1):
        total = sum(count for (one, _), count in pairs.items() if one == item)
        for (one, other), count in pairs.items():
            if one == item:
                scores[other] += count / (total * distance) ** 0.5  # type: ignore[assignment]
    latest = before[-LATEST:]
    repeated = {item: latest.count(item) - 1e-6 * latest[::-1].index(item) for item in latest}
    rounded = {item: round(score, 9) for item, score in scores.items()}
    return {"cooccurrence": order_of(rounded, popular), "history": order_of(repeated, popular)}


@given(train=ROWS, test=ROWS, held=st.integers(1, 9), exclude_seen=st.booleans())
@drawn(60)
def test_ranks_of_sessions_are_those_of_brute_force(train: Rows, test: Rows, held: int, exclude_seen: bool) -> None:
    if not any(item in ITEMS for row in train for item in row[1:]):
        return
    places = measured(SESSIONS, sessions(train), sessions([["a", item] for item in ITEMS]))["popular"]
    popular = [item for _, item in sorted(zip(places, ITEMS, strict=True))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking_module, "_PAIRS", held)
        found = measured(SESSIONS, sessions(train), sessions(test), exclude_seen)
    assert set(found) == {"popular", "bigram", "trigram", "cooccurrence", *([] if exclude_seen else ["history"])}
    ends = [(row[:n], row[n]) for row in test for n in range(1, len(row)) if row[n] in ITEMS]
    for name in ("cooccurrence", "history"):
        for (before, label), rank in zip(ends, found.get(name, []), strict=name in found):
            ranked = [i for i in brute_force(train, before, popular)[name] if not (exclude_seen and i in before)]
            assert rank == (1 + ranked.index(label) if label in ranked else len(ITEMS) + 1)


@given(train=ROWS, row=st.lists(st.sampled_from([*ITEMS, "rare"]), min_size=1, max_size=6))
@drawn(40)
def test_n_grams_without_seen_items_are_ranked_as_before(train: Rows, row: list[str]) -> None:
    if not any(item in ITEMS for other in train for item in other[1:]):
        return
    # The rank of each item as the label after the same row, with and without the items of the row.
    after = [[*row, item] for item in ITEMS]
    whole = measured(SESSIONS, sessions(train), sessions(after))
    unseen = measured(SESSIONS, sessions(train), sessions(after), exclude_seen=True)
    known = sum(item in ITEMS for item in row[1:]) + 1
    for name in ("popular", "bigram", "trigram"):
        of = dict(zip(ITEMS, whole[name][known - 1 :: known], strict=True))
        ranked = [item for item in sorted(ITEMS, key=of.__getitem__) if item not in row]
        expected = [1 + ranked.index(item) if item in ranked else len(ITEMS) + 1 for item in ITEMS]
        assert unseen[name][known - 1 :: known] == expected


def test_labelled_rows_have_all_their_inputs_as_history() -> None:
    train = [example(items=["a", "b"], next=["c"]), example(items=["a"], next=["d"]), example(items=["b"], next=["d"])]
    test = [example(items=["b", "a"], next=["c"]), example(items=["e"], next=["e"]), example(next=["d"])]
    found = measured(NEXT, train, test)
    # After b and after a, c and d have one pair each; d is more popular. e repeats itself in `history` alone.
    assert found["cooccurrence"] == [2, 5, 1]
    assert found["history"] == [4, 1, 1]
    assert measured(NEXT, train, test, exclude_seen=True)["cooccurrence"] == [2, 6, 1]


def test_words_of_a_text_have_no_item_baselines() -> None:
    words = SESSIONS.model_copy(update={"tokenizer": "words"})
    assert label_target(words).baselines == ("popular", "bigram", "trigram")
    assert label_target(NEXT).baselines == ("popular", "bigram", "cooccurrence", "history")
    assert label_target(NEXT, (), exclude_seen=True).baselines == ("popular", "bigram", "cooccurrence")


def test_only_the_most_frequent_successors_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence_module, "SUCCESSORS", 1)
    train = [["a", "c"], ["a", "b"], ["a", "b"], *[["d", "e"]] * 3]
    # b is the only successor of a. Then follow e and c by popularity.
    assert measured(SESSIONS, sessions(train), sessions([["a", "b"], ["a", "c"]]))["cooccurrence"] == [1, 3]


def test_a_counter_with_a_limit_keeps_the_most_frequent_keys() -> None:
    counts = KeyCounts(pending=1, limit=4)
    counts.add(np.array([5, 5, 5, 1, 2, 3, 9, 9]))
    keys, found = counts.result()
    assert (keys.tolist(), found.tolist()) == ([5, 9], [3, 2])


@drawn()
@given(sizes=st.lists(st.integers(0, 6), max_size=8), held=st.integers(1, 9))
def test_parts_are_bounded_and_cover_all(sizes: list[int], held: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking_module, "_PAIRS", held)
        found = [range(len(sizes))[part] for part in parts(np.array(sizes, np.int64))]
    assert [place for part in found for place in part] == [*range(len(sizes))]
    assert all(sum(sizes[place] for place in part) <= held or len(part) == 1 for part in found)


def test_positions_of_ranges() -> None:
    owner, places = spread(np.array([2, 5, 0]), np.array([4, 5, 1]))
    assert (owner.tolist(), places.tolist()) == ([0, 0, 2], [2, 3, 0])


def test_equal_scores_are_ranked_by_place() -> None:
    nothing: Any = np.zeros(0, np.int64)
    scores = Scores(np.array([0, 0, 0]), np.array([2, 0, 1]), np.array([5, 5, 7]))
    places = np.array([3, 0, 1, 2])
    labels = np.array([0])
    assert [int(ranks(labels * 0 + of, scores, places)[0]) for of in range(4)] == [3, 1, 2, 4]
    assert [int(ranks(labels * 0 + of, Scores(nothing, nothing, nothing), places)[0]) for of in range(4)] == [
        4,
        1,
        2,
        3,
    ]
