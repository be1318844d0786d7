"""Tests of the baselines of rows with several labels: by hand, and against brute force over all classes."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.baselines import ranking as ranking_module
from components.baselines.reading import Encoder
from components.baselines.several import bayes as bayes_module
from components.baselines.several import nearest as nearest_module
from components.baselines.several.baselines import SeveralBaselines
from components.baselines.several.bayes import LAMBDA
from components.ingest.spec import DataSpec
from components.layers.losses.names import LossName
from components.metrics.bands import BandSpec
from components.metrics.targets import label_target
from tests.components.baselines.test_reading import example, vocabulary
from tests.drawing import drawn

TOKENS = ["a", "b", "c", "d"]
CLASSES = ["a", "b", "x", "y", "z", "w"]
DATA = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "sotu"},
        "inputs": ["items"],
        "label": "tags",
        "label_kind": "classes",
        "tokenizer": "none",
    }
)
Row = tuple[list[str], list[str]]
ROW = st.tuples(
    st.lists(st.sampled_from([*TOKENS, "rare"]), max_size=6),
    st.lists(st.sampled_from([*CLASSES, "outside"]), max_size=4, unique=True),
)


def counted(train: list[Row], loss: LossName = "softmax") -> SeveralBaselines:
    encoder = Encoder(DATA, vocabulary(TOKENS), vocabulary(CLASSES))
    baselines = SeveralBaselines(label_target(DATA), encoder, BandSpec(), loss)
    for start in range(0, len(train), 3):
        baselines.count(baselines.read(records(train[start : start + 3])))
    baselines.estimate()
    return baselines


def records(rows: list[Row]) -> list[bytes]:
    return [example(items=items, tags=tags) for items, tags in rows]


def measured(train: list[Row], test: list[Row], loss: LossName = "softmax") -> dict[str, tuple[list[float], list[int]]]:
    """Return the nats and ranks of all known labels of the test rows by baseline."""
    baselines = counted(train, loss)
    batch = baselines.read(records(test)).known
    return {name: (nll.tolist(), rank.tolist()) for name, (nll, rank) in baselines._of_part(batch)}


def shares(train: list[Row]) -> list[float]:
    """Return the share of each class among the labels, with absolute discounting."""
    counts = Counter(tag for _, tags in train for tag in tags if tag in CLASSES)
    once, twice = (sum(count == n for count in counts.values()) for n in (1, 2))
    discount = once / (once + 2 * twice) if once else 0.5
    total = sum(counts.values())
    uniform = discount * len(counts) / total / len(CLASSES)
    return [uniform + (max(counts[c] - discount, 0) / total if c in counts else 0) for c in CLASSES]


def by_bayes(train: list[Row], tokens: list[str], kept: int) -> list[float]:
    """Return log P(c) + log P(x | c) of each class, but for a constant."""
    pairs = [(t, c) for items, tags in train for c in tags if c in CLASSES for t in items if t in TOKENS]
    count, of_token = Counter(pairs), Counter(t for t, _ in pairs)
    of_class, total = Counter(c for _, c in pairs), len(pairs)
    prior = shares(train)
    place = sorted(CLASSES, key=lambda c: (-prior[CLASSES.index(c)], CLASSES.index(c))).index
    scores = [math.log(p) for p in prior]
    for token in tokens:
        if token not in TOKENS:
            continue
        ratio = {c: n * total / (of_token[t] * of_class[c]) for (t, c), n in count.items() if t == token}
        best = sorted(ratio, key=lambda c: (-round(count[token, c] * math.log(ratio[c]), 9), place(c)))[:kept]
        others = sum(of_class[c] for c in CLASSES if c not in best)
        rest = sum(count[token, c] for c in CLASSES if c not in best)
        pooled = rest * total / (of_token[token] * others) if rest else 0.0
        scores = [
            score + math.log(1 - LAMBDA + LAMBDA * (ratio[c] if c in best else pooled))
            for c, score in zip(CLASSES, scores, strict=True)
        ]
    return scores


def by_neighbors(train: list[Row], tokens: list[str], neighbors: int, candidates: int) -> list[float]:
    """Return the sum of the similarities of the nearest rows with each class."""
    rows = [({t for t in items if t in TOKENS}, tags) for items, tags in train if set(tags) & set(CLASSES)]
    df = Counter(token for items, _ in rows for token in items)
    square = {token: math.log(1 + len(rows) / count) ** 2 for token, count in df.items()}
    read, total = [], 0
    for token in sorted({t for t in tokens if t in df}, key=lambda t: (df[t], TOKENS.index(t))):
        total += df[token]
        if not read or total <= candidates:
            read.append([at for at, (items, _) in enumerate(rows) if token in items][:candidates])
            read[-1] = [(at, square[token]) for at in read[-1]]
    similar: Counter[int] = Counter()
    for token_rows in read:
        for at, value in token_rows:
            similar[at] += value / math.sqrt(sum(square[t] for t in rows[at][0]))  # pyright: ignore[reportArgumentType]
    best = sorted(similar, key=lambda at: (-round(similar[at], 6), at))[:neighbors]
    return [sum(similar[at] for at in best if c in rows[at][1]) for c in CLASSES]


def known(test: list[Row]) -> list[tuple[int, int]]:
    """Return the row and the class of each known label."""
    return [(row, CLASSES.index(tag)) for row, (_, tags) in enumerate(test) for tag in tags if tag in CLASSES]


def assert_ranks(found: list[int], scores: list[list[float]], train: list[Row], test: list[Row]) -> None:
    """Compare ranks with a sort of all classes. Scores within rounding of each other may be in either order."""
    prior = shares(train)
    for rank, (row, label) in zip(found, known(test), strict=True):
        own = scores[row][label]
        above = sum(score > own + 1e-5 for score in scores[row])
        equal = [c for c, score in enumerate(scores[row]) if abs(score - own) <= 1e-5]
        before = sum((-prior[c], c) < (-prior[label], label) for c in equal)
        assert rank == 1 + above + before


@drawn(40)
@given(
    train=st.lists(ROW, min_size=1, max_size=9),
    test=st.lists(ROW, min_size=1, max_size=5),
    held=st.sampled_from([1, 10**6]),
    kept=st.sampled_from([1, 2, 100]),
    neighbors=st.sampled_from([1, 2, 50]),
    candidates=st.sampled_from([1, 3, 100]),
)
def test_every_baseline_equals_brute_force_over_all_classes(
    train: list[Row], test: list[Row], held: int, kept: int, neighbors: int, candidates: int
) -> None:
    if not any(tag in CLASSES for _, tags in train for tag in tags):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking_module, "_PAIRS", held)
        patch.setattr(bayes_module, "KEPT", kept)
        patch.setattr(nearest_module, "NEIGHBORS", neighbors)
        patch.setattr(nearest_module, "CANDIDATES", candidates)
        found = measured(train, test)
    prior = shares(train)
    assert_ranks(found["popular"][1], [prior] * len(test), train, test)
    histories = [Counter(t for t in items if t in CLASSES) for items, _ in test]
    latest = [{t: at for at, t in enumerate(items)} for items, _ in test]
    history = [
        [n * 1e3 + at[c] if (n := of[c]) else 0.0 for c in CLASSES] for of, at in zip(histories, latest, strict=True)
    ]
    assert_ranks(found["history"][1], history, train, test)
    bayes = [by_bayes(train, items, kept) for items, _ in test]
    assert_ranks(found["bayes"][1], bayes, train, test)
    near = [by_neighbors(train, items, neighbors, candidates) for items, _ in test]
    assert_ranks(found["nearest"][1], near, train, test)

    log_sums = [math.log(sum(math.exp(score) for score in of)) for of in bayes]
    expected = [log_sums[row] - bayes[row][label] for row, label in known(test)]
    assert found["bayes"][0] == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert found["popular"][0] == pytest.approx([-math.log(prior[label]) for _, label in known(test)], rel=1e-5)
    assert all(math.isnan(nll) for name in ("history", "nearest") for nll in found[name][0])


@drawn(20)
@given(train=st.lists(ROW, min_size=1, max_size=9), test=st.lists(ROW, min_size=1, max_size=5))
def test_the_nll_of_the_sigmoid_is_the_cross_entropy_of_all_classes(train: list[Row], test: list[Row]) -> None:
    tags = [tag for _, of in train for tag in of]
    if not any(tag in CLASSES for tag in tags):
        return
    found = measured(train, test, "sigmoid")
    mean = sum(tag in CLASSES for tag in tags) / sum(bool(of) for _, of in train)
    prior = shares(train)
    bayes = [by_bayes(train, items, 100) for items, _ in test]
    for name, scores in (("popular", [[math.log(p) for p in prior]] * len(test)), ("bayes", bayes)):
        expected = []
        for row, _ in known(test):
            of_row = [other for at, other in known(test) if at == row]
            total = sum(map(math.exp, scores[row]))
            alone = [min(mean * math.exp(score) / total, 1 - 1e-6) for score in scores[row]]
            entropy = -sum(math.log(p if c in of_row else 1 - p) for c, p in enumerate(alone))
            expected.append(entropy / len(of_row))
        assert found[name][0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_sample_of_train_rows_is_bounded_and_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "SAMPLE", 50)
    train: list[Row] = [(["a"], ["x"]), (["b"], ["y"]), (["c"], []), (["d"], ["outside"])] * 100
    baselines = counted(train)
    nearest: Any = baselines._nearest
    assert len(nearest._norms) == 50
    assert 10 < np.bincount(nearest._labels)[CLASSES.index("x")] < 40


def planted(rows: int, seed: int, tokens: int = 10, labels: int = 3, classes: int = 400) -> list[Row]:
    """Return rows whose labels follow from their topic: each topic has ten tokens and four labels of its own."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(rows):
        topic = int(rng.integers(classes // 4) * rng.random())
        own = [f"t{topic}_{i}" for i in rng.integers(0, 10, tokens)]
        noise = [f"t{i}_{j}" for i, j in zip(rng.integers(0, classes // 4, 3), rng.integers(0, 10, 3), strict=True)]
        tags = [f"l{topic}_{i}" for i in rng.permutation(4)[: rng.integers(1, labels + 1)]]
        result.append(([*own, *noise], tags))
    return result


def test_rows_with_planted_topics() -> None:
    train, test = planted(2_000, 1), planted(300, 2)
    tokens = [f"t{topic}_{i}" for topic in range(100) for i in range(10)]
    classes = [f"l{topic}_{i}" for topic in range(100) for i in range(4)]
    encoder = Encoder(DATA, vocabulary(tokens), vocabulary(classes))
    baselines = SeveralBaselines(label_target(DATA), encoder, BandSpec())
    baselines.count(baselines.read(records(train)))
    baselines.estimate()
    baselines.measure(baselines.read(records(test)))
    found = baselines.summary()
    assert found["examples"]["test"]["rows"] == found["metrics"]["popular"]["count"] == 300
    figures = {name: of["precision_at_1"] for name, of in found["metrics"].items()}
    # The labels of a topic are equally likely: a model that knows the topic has a P@1 of about a half.
    assert figures["popular"] < 0.1
    assert figures["history"] == figures["popular"]
    assert figures["bayes"] > 0.4
    assert figures["nearest"] > 0.4
    metrics = found["metrics"]
    assert metrics["bayes"]["recall_at_10"] > 0.9
    assert metrics["bayes"]["perplexity"] < metrics["popular"]["perplexity"] / 10
    assert metrics["nearest"]["nll"] is None
    assert metrics["bayes"]["psp_at_5"] > metrics["popular"]["psp_at_5"]
