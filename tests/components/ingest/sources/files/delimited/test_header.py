"""Tests of the guess whether the first row of delimited text is a header."""

from __future__ import annotations

import pytest

from components.ingest.sources.files.delimited.sniffing import looks_like_names


def rows(text: str) -> list[list[str]]:
    return [line.split(",") for line in text.split()]


@pytest.mark.parametrize(
    "text",
    [
        "user,item u1,i1 u2,i2",
        # Words of a text may be names of columns.
        "before,last,year,word the,word,2026,before last,of,2025,word",
        "word,time before,2026-11-30T10:00:00Z word,2026-11-30",
        "kind,price click,3.5 kind,",
        "user,item",
    ],
)
def test_names_of_columns_are_a_header(text: str) -> None:
    assert looks_like_names(rows(text))


@pytest.mark.parametrize(
    "text",
    [
        "u1,i1,3 u2,i2,4",
        "u1,click u2,view u3,click",
        "a,b,a 1,2,3",
        "w1,w2 w1,w3",
        # The column of numbers has another value too.
        "w1,NA w1,3 w2,NA",
    ],
)
def test_values_are_no_header(text: str) -> None:
    assert not looks_like_names(rows(text))
