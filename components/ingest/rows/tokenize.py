"""Tokenizers of text."""

from __future__ import annotations

import unicodedata

import regex

from components.ingest.spec import Tokenizer

# Combining marks belong to the letter before them. Otherwise each vowel sign would split a word of Hindi or Thai.
_WORDS = regex.compile(
    r"\p{L}[\p{L}\p{M}]*+(?:['’]\p{L}[\p{L}\p{M}]*+)*+"  # letters, with apostrophes inside
    r"|\p{N}++"  # a run of digits
    r"|[^\s\p{L}\p{N}\p{C}]"  # one sign of punctuation
)


def tokenize(text: str, tokenizer: Tokenizer, lowercase: bool) -> list[str]:
    """Split a text into tokens.

    The text is normalized to NFC first, so that equal letters result in equal tokens. `none` changes neither form nor
    case, because its values are often identifiers.

    Args:
        text: Any text.
        tokenizer: `words`: words (including inner apostrophes), runs of digits, single punctuation marks.
            `whitespace`: the pieces between white space. `characters`: single characters, with white space as one
            space. `none`: the text is one token.
        lowercase: True to lowercase the text first.

    Returns:
        Tokens in order; an empty list for an empty text.
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
