"""Names that the pipeline derives from a user's column names.

A column may have any name. The pipeline writes each name in one of these forms, so that no column collides with the
pipeline's own names or with another column:

    key_of("party")     column/party              transformed columns, and the keys of a batch
    escaped("a/b")      a.2Fb                     names of metrics; only letters, digits, "_", "-" and "."
    short("a/b")        a.2Fb                     files, Keras layers and graph nodes: as `escaped`, of bounded length
    OWN + "baseline/x"  bigvocab/baseline/x       data stored beside a row; the configuration refuses such columns
    FIRST_LABEL         bigvocab/first_label      the same, written by ExampleGen if a row's positions are split
"""

from __future__ import annotations

import hashlib
import re

OWN = "bigvocab/"
"""Prefix of features that the pipeline adds to a user's rows."""
FIRST_LABEL = f"{OWN}first_label"
"""Feature with the position, from 0, of the first token of a row that is a label; the tokens before it are context."""
WEIGHT = "weight"
"""Key of the weights of labels: in transformed rows, among the targets of a batch, and among the values of metrics."""
_COLUMN = "column/"
_SHORT = 120
ROWS = "rows"
"""Property of the artifact of the test rows with their number."""


def key_of(name: str) -> str:
    """Return the key of a transformed column. No key of the pipeline's own, such as `input_ids`, has this prefix."""
    return f"{_COLUMN}{name}"


def name_of(key: str) -> str:
    """Return the column name of a key from `key_of`."""
    return key.removeprefix(_COLUMN)


def escaped(name: str) -> str:
    """Escape a name: each byte except letters, digits, "_" and "-" becomes "." and two hexadecimal digits.

    Example:
        >>> escaped("user.os"), escaped("user-os")
        ('user.2Eos', 'user-os')
    """
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: "".join(f".{byte:02X}" for byte in found[0].encode()), name)


def unescaped(text: str) -> str:
    """Return the original name of an escaped name."""
    parts = re.sub(rb"\.([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode())
    return parts.decode()


def short(name: str) -> str:
    """Return the escaped name, shortened to its beginning and a fingerprint if it is long.

    File systems allow 255 bytes.
    """
    text = escaped(name)
    if len(text) <= _SHORT:
        return text
    # No collision: an escaped name never has two dots in a row.
    return f"{text[: _SHORT // 2]}..{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def argument(name: str) -> str:
    """Return an argument's name as TensorFlow rewrites it in `tf.saved_model.load(...).signatures["predict"]`.

    A single call cannot have two names that become equal. See `sanitize_arg_name` in
    `tensorflow/core/function/polymorphism/function_type.py`.
    """
    swapped = "".join(character if character.isalnum() else "_" for character in name)
    return swapped if swapped[:1].isalpha() else f"arg_{swapped}"
