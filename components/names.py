"""Names that the pipeline makes of a user's column names.

A column may have any name. Inside, each name is written in one of these ways, so that no column meets the pipeline's
own names, or another column's:

    key_of("party")     column/party              transformed columns, and the keys of a batch
    escaped("a/b")      a.2Fb                     names of metrics; letters, digits, "_", "-" and "." alone
    short("a/b")        a.2Fb                     files, Keras layers and graph nodes: as `escaped`, of bounded length
    OWN + "baseline/x"  bigvocab/baseline/x       what is stored beside a row; the configuration refuses such columns
"""

from __future__ import annotations

import hashlib
import re

OWN = "bigvocab/"
"""Begins the names of features that the pipeline adds to a user's rows."""
_COLUMN = "column/"
_SHORT = 120


def key_of(name: str) -> str:
    """Return the key of a transformed column: none of the pipeline's own, such as `input_ids`, begins like it."""
    return f"{_COLUMN}{name}"


def name_of(key: str) -> str:
    """Return the column's name of a key that `key_of` made."""
    return key.removeprefix(_COLUMN)


def escaped(name: str) -> str:
    """Write each byte but letters, digits, "_" and "-" as "." and two hexadecimal digits.

    Example:
        >>> escaped("user.os"), escaped("user-os")
        ('user.2Eos', 'user-os')
    """
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: "".join(f".{byte:02X}" for byte in found[0].encode()), name)


def unescaped(text: str) -> str:
    """Return the name that `escaped` was given."""
    parts = re.sub(rb"\.([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode())
    return parts.decode()


def short(name: str) -> str:
    """Return `escaped`, of a long name its beginning and a fingerprint: file systems take 255 bytes."""
    text = escaped(name)
    if len(text) <= _SHORT:
        return text
    # No escaped name holds two dots in a row.
    return f"{text[: _SHORT // 2]}..{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def argument(name: str) -> str:
    """Return what TensorFlow makes of an argument's name, as in `tf.saved_model.load(...).signatures["predict"]`.

    Names that become equal cannot be given in one call. See `sanitize_arg_name` in
    `tensorflow/core/function/polymorphism/function_type.py`.
    """
    swapped = "".join(character if character.isalnum() else "_" for character in name)
    return swapped if swapped[:1].isalpha() else f"arg_{swapped}"
