"""Tests of labels and contexts, cut from batches of rows, against a plain loop over the tokens."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.baselines.reading import Encoder
from components.ingest.spec import DataSpec
from components.names import FIRST_LABEL
from components.preprocessing.vocabulary import Vocabulary
from tests.drawing import drawn

WORDS = ["the", "state", "of", "union", "New York"]
TOKENS = st.sampled_from([*WORDS, "rare", "unseen"])


def vocabulary(tokens: list[str]) -> Vocabulary:
    return Vocabulary(tokens, np.arange(len(tokens), 0, -1))


def example(**columns: list[str]) -> bytes:
    result = tf.train.Example()
    for name, tokens in columns.items():
        result.features.feature[name].bytes_list.value.extend(token.encode() for token in tokens)
    return result.SerializeToString()


def id_of(token: str | None, tokens: list[str]) -> int:
    """Return the id of a token: its rank in the vocabulary, then one id for unknown tokens, then one for no token."""
    if token is None:
        return len(tokens) + 1
    return tokens.index(token) if token in tokens else len(tokens)


@given(rows=st.lists(st.lists(TOKENS, max_size=6), min_size=1, max_size=6))
@drawn()
def test_sequences_equal_a_loop_and_no_context_crosses_a_row(rows: list[list[str]]) -> None:
    data = DataSpec(shape="sequence", source={"kind": "sotu"}, inputs=["words"])  # type: ignore[arg-type]
    encoder = Encoder(data, vocabulary([]), vocabulary(WORDS))
    found = encoder([example(words=tokens) for tokens in rows])
    expected = []
    for number, tokens in enumerate(rows):
        for at in range(1, len(tokens)):
            before = id_of(tokens[at - 2] if at > 1 else None, WORDS)
            label = WORDS.index(tokens[at]) if tokens[at] in WORDS else -1
            expected.append((before, id_of(tokens[at - 1], WORDS), label, number))
    assert found.unknown.to_pylist() == [
        token.encode() for tokens in rows for token in tokens[1:] if token not in WORDS
    ]
    assert list(zip(*found.contexts.T.tolist(), found.labels.tolist(), found.rows.tolist(), strict=True)) == expected
    assert found.n_rows == len(rows)
    assert (encoder.order, encoder.contexts, encoder.classes) == (3, len(WORDS) + 2, len(WORDS))


def test_labels_of_split_positions_begin_at_the_first_label() -> None:
    data = DataSpec.model_validate(
        {"shape": "sequence", "source": {"kind": "sotu"}, "inputs": ["words"], "splits": {"leave_out": 1}}
    )
    records = []
    for tokens, first in ((["the", "state", "of"], 2), (["union", "the"], 1), (["of", "the", "union", "rare"], 2)):
        row = tf.train.Example.FromString(example(words=tokens))
        row.features.feature[FIRST_LABEL].int64_list.value.append(first)
        records.append(row.SerializeToString())
    records.insert(1, example(words=["the", "of"]))  # A row that was not split, as in a file that is evaluated.
    found = Encoder(data, vocabulary([]), vocabulary(WORDS))(records)
    none = len(WORDS) + 1
    assert found.labels.tolist() == [2, 2, 0, 3, -1]
    assert found.rows.tolist() == [0, 1, 2, 3, 3]
    assert found.contexts.tolist() == [[0, 1], [none, 0], [none, 3], [2, 0], [0, 3]]


def test_labelled_rows_have_their_last_input_token_as_context() -> None:
    source = {"kind": "csv", "path": "rows.csv"}
    data = DataSpec(shape="labelled", source=source, inputs=["first", "second"], label="next")  # type: ignore[arg-type]
    encoder = Encoder(data, vocabulary(["a", "b"]), vocabulary(["x", "y", "z"]))
    found = encoder(
        [
            example(first=["a"], second=["b", "a"], next=["y"]),
            example(first=["b"], second=[], next=["z"]),
            example(first=["b"], next=["rare"]),
            example(next=["x"]),
            example(first=["a"], second=["rare"]),
        ]
    )
    assert found.contexts.tolist() == [[0], [1], [1], [3]]
    assert found.labels.tolist() == [1, 2, -1, 0]
    assert found.rows.tolist() == [0, 1, 2, 3]
    assert (found.n_rows, encoder.order, encoder.contexts, encoder.classes) == (5, 2, 4, 3)


def test_a_token_column_of_numbers_is_refused() -> None:
    data = DataSpec(shape="sequence", source={"kind": "sotu"}, inputs=["words"])  # type: ignore[arg-type]
    row = tf.train.Example()
    row.features.feature["words"].float_list.value.append(1.0)
    with pytest.raises(RuntimeError, match="words"):
        Encoder(data, vocabulary([]), vocabulary(WORDS))([row.SerializeToString()])
