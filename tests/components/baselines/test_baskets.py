"""Tests of the baselines of baskets: examples against a plain loop, and the sums of each row."""

from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.baselines.reading import Encoder
from components.baselines.several.baselines import SeveralBaselines
from components.ingest.spec import DataSpec
from components.metrics.bands import BandSpec
from components.metrics.targets import label_target
from components.names import FIRST_LABEL
from tests.components.baselines.test_reading import example, vocabulary
from tests.drawing import drawn

WORDS = ["a", "b", "c"]
DATA = DataSpec.model_validate(
    {
        "shape": "sequence",
        "source": {"kind": "sotu"},
        "inputs": ["items"],
        "tokenizer": "none",
        "baskets": "dates",
        "splits": {"leave_out": 1},
    }
)
Row = list[tuple[str, str]]
ROWS = st.lists(
    st.lists(st.tuples(st.sampled_from([*WORDS, "rare", "other"]), st.sampled_from("xy")), max_size=7),
    min_size=1,
    max_size=4,
)


def record(row: Row, first: int = 1) -> bytes:
    found = tf.train.Example.FromString(example(items=[token for token, _ in row], dates=[date for _, date in row]))
    found.features.feature[FIRST_LABEL].int64_list.value.append(first)
    return found.SerializeToString()


def baskets_of(row: Row) -> list[list[str]]:
    """Return the distinct tokens of each basket."""
    return [
        list(dict.fromkeys(token for token, _ in group))
        for _, group in itertools.groupby(row, key=lambda pair: pair[1])
    ]


def ids(tokens: list[str], other: int) -> list[int]:
    return [WORDS.index(token) if token in WORDS else other for token in tokens]


@given(rows=ROWS)
@drawn()
def test_examples_are_those_of_a_plain_loop(rows: list[Row]) -> None:
    found = Encoder(DATA, vocabulary([]), vocabulary(WORDS)).several([record(row) for row in rows])
    expected = [
        (number, ids([token for basket in baskets[:place] for token in basket], 3), ids(baskets[place], -1))
        for number, row in enumerate(rows)
        for baskets in [baskets_of(row)]
        for place in range(1, len(baskets))
    ]
    assert (found.n_rows, found.n_records) == (len(expected), len(rows))
    assert found.records is not None
    assert found.records.tolist() == [number for number, _, _ in expected]
    assert [found.labels[found.rows == i].tolist() for i in range(found.n_rows)] == [labels for *_, labels in expected]
    assert np.all(np.diff(found.rows) >= 0)
    inputs = found.inputs
    parts = zip(inputs.starts, inputs.ends, strict=True)
    assert [inputs.items[start:end].tolist() for start, end in parts] == [items for _, items, _ in expected]
    unknown = [t for row in rows for basket in baskets_of(row)[1:] for t in basket if t not in WORDS]
    assert found.unknown.to_pylist() == [token.encode() for token in unknown]


def test_only_baskets_from_the_first_label_on_are_examples() -> None:
    row = [("a", "x"), ("a", "x"), ("b", "y"), ("c", "z"), ("b", "z")]
    found = Encoder(DATA, vocabulary([]), vocabulary(WORDS)).several([record(row, 3)])
    assert (found.labels.tolist(), found.n_rows) == ([2, 1], 1)
    assert found.inputs.items.tolist()[: int(found.inputs.ends[0])] == [0, 1]


def test_a_basket_has_the_weight_of_its_first_token() -> None:
    weighted = DATA.model_copy(update={"weight": "trust"})
    example = tf.train.Example.FromString(record([("a", "x"), ("b", "y"), ("b", "y"), ("c", "y"), ("a", "z")]))
    example.features.feature["trust"].float_list.value.extend([9.0, 2.0, 5.0, 7.0, 0.5])
    found = Encoder(weighted, vocabulary([]), vocabulary(WORDS)).several([example.SerializeToString()])
    assert found.weights is not None
    assert (found.labels.tolist(), found.weights.tolist()) == ([1, 2, 0], [2.0, 2.0, 0.5])


def test_history_ranks_by_the_number_of_baskets_then_the_latest_then_popularity() -> None:
    baselines = SeveralBaselines(label_target(DATA), Encoder(DATA, vocabulary(WORDS), vocabulary(WORDS)), BandSpec())
    # Of the labels of the train split, c is the most frequent.
    baselines.count(baselines.read([record([("a", "x"), ("c", "y"), ("c", "z"), ("b", "x"), ("a", "y")])]))
    baselines.estimate()
    history = [("a", "x"), ("a", "x"), ("b", "y"), ("a", "z"), ("b", "x")]
    rows = [
        record([*history, ("c", "y"), ("a", "y"), ("b", "y")], 5),
        record([("b", "x"), ("c", "y"), ("c", "z"), ("b", "x")]),
    ]
    batch = baselines.read(rows)
    ranks = dict(baselines._of_part(batch))["history"][1]
    # b and a are in two baskets each, and b in the later one. Of the second row, each basket after the first counts.
    assert ranks.tolist() == [3, 2, 1, 2, 1, 2]
    together, alone = baselines.measure(batch), [baselines.measure(baselines.read([row])) for row in rows]
    for name, values in together.items():
        np.testing.assert_array_equal(values, np.concatenate([each[name] for each in alone]))
