"""Tokenizers of text."""

from __future__ import annotations

import unicodedata

import regex

from components.ingest.spec import Tokenizer

# Combining marks belong to the letter before them. Otherwise each vowel sign would cut a word of Hindi or Thai.
_WORDS = regex.compile(
    r"\p{L}[\p{L}\p{M}]*+(?:['’]\p{L}[\p{L}\p{M}]*+)*+"  # letters, with apostrophes inside
    r"|\p{N}++"  # a run of digits
    r"|[^\s\p{L}\p{N}\p{C}]"  # one sign of punctuation
)


def tokenize(text: str, tokenizer: Tokenizer, lowercase: bool) -> list[str]:
    """Cut a text into tokens.

    The text is normalized to NFC first, so that equal letters give equal tokens. `none` changes neither form nor case,
    because its values are often identifiers.

    Args:
        text: Any text.
        tokenizer: `words`: words (apostrophes inside included), runs of digits, single signs of punctuation.
            `whitespace`: the pieces between white space. `characters`: single characters, white space as one space.
            `none`: the text is one token.
        lowercase: Lowercase the text first.

    Returns:
        The tokens in order; an empty list for an empty text.
    """
    if tokenizer == "none":
        return [text] if text else []
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if lowercase:
        text = text.lower()
    if tokenizer == "words":
        return _WORDS.findall(text)
    if tokenizer == "whitespace":
        return text.split()
    return list(" ".join(text.split()))
