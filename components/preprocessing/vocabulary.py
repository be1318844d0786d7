r"""Vocabulary files: lines "count token". The line number, from 0, is the id.

Tokens are escaped, so that any text of at least one character is a single word on a single line:

    \b   a backslash
    \s   a space, which ends the count
    \n   a line feed, which ends the line
    \r   a carriage return, which TensorFlow drops when it reads lines

All other characters are unchanged. So an escaped token never has two adjacent backslashes. Escaping and unescaping are
successive replacements, both in the graph and in Python.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components import names

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

ESCAPES = (("\\", r"\b"), (" ", r"\s"), ("\n", r"\n"), ("\r", r"\r"))
"""The backslash must come first, because the other escapes begin with a backslash."""
_DAMAGED = re.compile(r"\\(?![bsnr])|[ \r]")


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, most frequent first.

    Attributes:
        tokens: Token of each id, unescaped as in the data.
        counts: Occurrences in the train split, (size,) int64.
    """

    tokens: list[str]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)


def escape(token: str) -> str:
    """Escape a token as in a vocabulary file."""
    for text, escaped in ESCAPES:
        token = token.replace(text, escaped)
    return token


def unescape(token: str) -> str:
    """Return the original token of an escaped token."""
    for text, escaped in reversed(ESCAPES):
        token = token.replace(escaped, text)
    return token


def escape_tensor(tokens: tf.Tensor) -> tf.Tensor:
    """Apply `escape` in a graph, to strings of any shape."""
    import tensorflow as tf

    escaped = _escape_all()(tf.reshape(tokens, [-1]))
    return tf.ensure_shape(tf.reshape(escaped, tf.shape(tokens)), tokens.shape)


@functools.cache
def _escape_all() -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function of a graph that escapes strings of shape (n,).

    It is traced once in a process, although Transform traces the preprocessing several times, and calls it for each
    column of text. Rewriting strings takes several times as long as searching them. So a batch without any of the four
    characters is only searched, once. Most other batches have spaces as the only such characters, and are rewritten
    once.
    """
    import tensorflow as tf

    def escaped(tokens: tf.Tensor) -> tf.Tensor:
        joined = tf.strings.reduce_join(tokens)

        def without(characters: str) -> tf.Tensor:
            return tf.strings.regex_full_match(joined, f"[^{re.escape(characters)}]*")

        def all_four() -> tf.Tensor:
            found = tokens
            for text, of in ESCAPES:
                found = _replace(found, text, of)
            return found

        def some() -> tf.Tensor:
            return tf.cond(without("\\\n\r"), lambda: _replace(tokens, *ESCAPES[1]), all_four)

        return tf.cond(without("".join(text for text, _ in ESCAPES)), lambda: tf.identity(tokens), some)

    return tf.function(escaped, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)


def unescape_tensor(tokens: tf.Tensor) -> tf.Tensor:
    """Apply `unescape` in a graph, to strings of any shape."""
    for text, escaped in reversed(ESCAPES):
        tokens = _replace(tokens, escaped, text)
    return tokens


def _replace(tokens: tf.Tensor, old: str, new: str) -> tf.Tensor:
    import tensorflow as tf

    # In the replacement text, a backslash would begin a group reference.
    return tf.strings.regex_replace(tokens, re.escape(old), new.replace("\\", r"\\"))


def category_file(column: str) -> str:
    """Return the name of the vocabulary of a categorical feature or further target."""
    return f"category_{names.short(column)}"


def read_vocabulary(path: str | Path) -> Vocabulary:
    """Read a file of "count token" lines. The line number, from 0, is the id.

    Raises:
        ValueError: A line has another form. The message names the file and the line.
        OSError: The file cannot be read.
    """
    # Every command imports this module, but only commands that read a vocabulary should load TensorFlow.
    import tensorflow as tf

    tokens: list[str] = []
    counts: list[int] = []
    with tf.io.gfile.GFile(str(path), "rb") as file:
        lines = file.read().decode("utf-8").split("\n")
    for number, line in enumerate(lines[:-1] if lines and not lines[-1] else lines, start=1):
        count, _, token = line.partition(" ")
        if not token or not count.isdigit() or _DAMAGED.search(token):
            raise ValueError(f"{path}:{number}: expected 'count token', found {line[:80]!r}")
        tokens.append(unescape(token))
        counts.append(int(count))
    return Vocabulary(tokens, np.asarray(counts, np.int64))


def coverage(counts: NDArray[np.int64]) -> list[tuple[int, float]]:
    """Return the share of the occurrences that the k most frequent entries cover, for k = 1, 2, 5, 10, ... and all.

    Args:
        counts: (size,) occurrences of each entry, most frequent first.
    """
    covered = np.cumsum(counts)
    if not len(counts) or not covered[-1]:
        return []
    steps = (step * 10**power for power in range(len(str(len(counts)))) for step in (1, 2, 5))
    return [
        (k, float(covered[k - 1] / covered[-1])) for k in [*(step for step in steps if step < len(counts)), len(counts)]
    ]


def vocabularies(transform_output: tft.TFTransformOutput) -> dict[str, Vocabulary]:
    """Read the vocabularies `inputs` and `labels` of a Transform output; no `labels` if the label is a number.

    Raises:
        ValueError: The output has no vocabulary of inputs, or a file is damaged.
    """
    files = {name: transform_output.vocabulary_file_by_name(name) for name in ("inputs", "labels")}
    if files["inputs"] is None:
        raise ValueError(f"{transform_output.transform_savedmodel_dir}: Transform wrote no vocabulary 'inputs'")
    return {name: read_vocabulary(file) for name, file in files.items() if file is not None}
