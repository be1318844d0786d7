from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.rows.tokenize import tokenize
from components.ingest.spec import Tokenizer
from tests.drawing import drawn


@pytest.mark.parametrize(
    ("tokenizer", "tokens"),
    [
        ("words", ["the", "people's", "1", ",", "9"]),
        ("whitespace", ["the", "people's", "1,9"]),
        ("characters", list("the people's 1,9")),
        ("none", ["The  people's\n1,9"]),
    ],
)
def test_each_tokenizer(tokenizer: Tokenizer, tokens: list[str]) -> None:
    assert tokenize("The  people's\n1,9", tokenizer, lowercase=True) == tokens


def test_words_of_an_address() -> None:
    tokens = "Mr . Speaker , America's debt - - $ 9 . 5 billion in ' 46 - - is 25 % up ."
    text = "Mr. Speaker, America's debt--$9.5 billion in '46--is 25% up."
    assert " ".join(tokenize(text, "words", lowercase=False)) == tokens


def test_case_is_kept_on_request() -> None:
    assert tokenize("We the People", "words", lowercase=False) == ["We", "the", "People"]


def test_other_scripts_stay_whole_words() -> None:
    assert tokenize("हिन्दी में लिखा है।", "words", lowercase=True) == ["हिन्दी", "में", "लिखा", "है", "।"]
    assert tokenize("l’été d'Ærø", "words", lowercase=True) == ["l’été", "d'ærø"]


@pytest.mark.parametrize("tokenizer", ["words", "whitespace", "characters"])
def test_composed_and_decomposed_letters_are_one_token(tokenizer: Tokenizer) -> None:
    text = "Séñor"
    decomposed = unicodedata.normalize("NFD", text)
    assert decomposed != text
    assert tokenize(decomposed, tokenizer, lowercase=True) == tokenize(text, tokenizer, lowercase=True)


def test_none_leaves_identifiers_as_they_are() -> None:
    assert tokenize("SKU-12 aB", "none", lowercase=True) == ["SKU-12 aB"]
    assert tokenize("", "none", lowercase=True) == []


@drawn()
@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])))
def test_words_lose_nothing_but_white_space(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    kept = "".join(tokenize(text, "words", lowercase=False))
    assert kept == "".join(normal.split())


@drawn()
@given(st.text())
def test_no_token_is_empty_or_holds_white_space(text: str) -> None:
    for token in tokenize(text, "words", lowercase=True):
        assert token
        assert not any(c.isspace() for c in token)
