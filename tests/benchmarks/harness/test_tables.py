from __future__ import annotations

import pytest

from benchmarks.harness.tables import table


def test_a_table_is_aligned_markdown() -> None:
    assert list(table(["variant", "ms"], [["naive", "1,706"], ["a longer name", "2"]])) == [
        "| variant       |    ms |",
        "| ------------- | ----: |",
        "| naive         | 1,706 |",
        "| a longer name |     2 |",
    ]


def test_words_stand_to_the_left() -> None:
    assert list(table(["name", "what"], [["a", "b c"]], figures=False))[1:] == ["| ---- | ---- |", "| a    | b c  |"]


def test_a_row_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="a row has 1 cells and the header 2"):
        list(table(["a", "b"], [["c"]]))
