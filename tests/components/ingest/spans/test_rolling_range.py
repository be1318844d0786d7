"""Tests of the selection of the spans that train together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tfx.types import standard_artifacts

from components.ingest.spans.rolling_range import RollingRange
from tests.components.span_store import Store


@pytest.fixture
def store() -> Store:
    return Store()


def chosen(store: Store, every: Sequence[Any], newest: Any, num_spans: int = 0, there: Sequence[int] = ()) -> list[int]:
    inputs = {"newest": [newest], "examples": [*every], "statistics": []}
    found = RollingRange(num_spans, there).resolve_artifacts(store.mlmd, inputs)
    assert found
    return [artifact.id for artifact in found["examples"]]


def test_all_spans_train_together_the_oldest_first(store: Store) -> None:
    third, first, second = (store.ingested(span) for span in (3, 1, 2))
    assert chosen(store, [third, first, second], third) == [first.id, second.id, third.id]


def test_a_range_of_two_leaves_the_third_out_whatever_the_numbers(store: Store) -> None:
    one, seven, nine = (store.ingested(span) for span in (1, 7, 9))
    assert chosen(store, [one, seven, nine], nine, num_spans=2) == [seven.id, nine.id]


def test_no_span_after_the_newest_of_the_run_counts(store: Store) -> None:
    one, two, three = (store.ingested(span) for span in (1, 2, 3))
    assert chosen(store, [one, two, three], two) == [one.id, two.id]


def test_a_span_that_was_ingested_again_counts_once_as_it_was_last(store: Store) -> None:
    one, two, again = store.ingested(1), store.ingested(2), store.ingested(1)
    assert chosen(store, [one, two, again], two) == [again.id, two.id]
    # The file has its first contents again, and ExampleGen reuses its first output.
    store.cached(one)
    assert chosen(store, [one, two, again], two) == [one.id, two.id]


def test_what_was_ingested_with_another_configuration_does_not_count(store: Store) -> None:
    one, other, two = store.ingested(1), store.ingested(1, "other tokens"), store.ingested(2)
    assert chosen(store, [one, other, two], two) == [one.id, two.id]


def test_what_the_source_has_no_more_does_not_count(store: Store) -> None:
    one, two, three = (store.ingested(span) for span in (1, 2, 3))
    assert chosen(store, [one, two, three], three, there=[1, 3]) == [one.id, three.id]


def test_each_span_has_its_own_statistics_the_last_of_them(store: Store) -> None:
    one, two = store.ingested(1), store.ingested(2)
    _, of_two, of_one = (
        store.run("", [examples], "statistics", standard_artifacts.ExampleStatistics()) for examples in (one, two, one)
    )
    inputs = {"newest": [two], "examples": [one, two], "statistics": [of_two, of_one]}
    found = RollingRange().resolve_artifacts(store.mlmd, inputs)
    assert found
    assert [artifact.id for artifact in found["statistics"]] == [of_one.id, of_two.id]


def test_nothing_ingested_is_no_range(store: Store) -> None:
    assert RollingRange().resolve_artifacts(store.mlmd, {"newest": [], "examples": [], "statistics": []}) is None
