from __future__ import annotations

import pytest

from benchmarks.tables import mebibytes, milliseconds, table, times


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


@pytest.mark.parametrize(
    ("value", "text"), [(0.23149, "0.231"), (1.729, "1.73"), (17.26, "17.3"), (1706.4, "1,706"), (0.0, "0.000")]
)
def test_milliseconds_have_three_digits(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_other_figures() -> None:
    assert [times(23.14), times(0.684)] == ["23.1x", "0.68x"]
    assert mebibytes(3 * 2**29) == "1,536"
