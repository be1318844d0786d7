"""Tokenizers: from text to tokens."""

from __future__ import annotations

import unicodedata

import regex

from components.ingest.spec import Tokenizer

# Combining marks belong to the letter before them: else words of Hindi or Thai would be cut at each vowel sign.
_WORDS = regex.compile(
    r"\p{L}[\p{L}\p{M}]*+(?:['’]\p{L}[\p{L}\p{M}]*+)*+"  # letters, with apostrophes inside
    r"|\p{N}++"  # a run of digits
    r"|[^\s\p{L}\p{N}\p{C}]"  # one sign of punctuation
)


def tokenize(text: str, tokenizer: Tokenizer, lowercase: bool) -> list[str]:
    """Cut a text into tokens.

    Unicode's composed form (NFC) of the text is cut, so that the same letter is the same token in any form. `none`
    alters neither form nor case: its values are often identifiers.

    Args:
        text: Any text.
        tokenizer: `words`: words (apostrophes inside included), runs of digits, single signs of punctuation.
            `whitespace`: the parts between white space. `characters`: single characters, white space as one space.
            `none`: the text is one token.
        lowercase: Whether the text is lower-cased first.

    Returns:
        The tokens in order; none for an empty text.
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
