"""Readable form of the examples of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import NDArray

from components.layers.losses.labels import PADDING
from components.messages.formatting import in_units, printable
from components.names import name_of
from components.preprocessing.columns.moments import Z_BOUND
from components.preprocessing.vocabulary import category_file
from components.training.data.layout import LABEL, Layout

_TOKENS = 8
_CHARACTERS = 80
Arrays = Mapping[str, NDArray]


@dataclass(frozen=True)
class Readable:
    """Readable form of the examples of a training.

    Attributes:
        tokens: Tokens of all vocabularies by id, as in `Transformed.tokens`.
        layout: Layout of an example.
    """

    tokens: Mapping[str, Sequence[str]]
    layout: Layout

    def example(self, inputs: Arrays, targets: Arrays, row: int, position: int | None) -> str:
        """Return an example as text: its last tokens, its label, its features and its further targets.

        Args:
            inputs: Inputs of the model, of a batch.
            targets: Targets of the model, of the same batch.
            row: Row of the batch.
            position: Position of the label in a batch of whole rows; None in a batch of windows.
        """
        words, cut = self.tokens_before(inputs, row, position)
        text = f"'{'... ' if cut else ''}{_short(' '.join(words))}' -> "
        if self.layout.label_kind == "number":
            text += in_units(float(targets[LABEL][row]))
        else:
            text += ", ".join(f"'{label}'" for label in self.labels(targets, row, position))
        return ", ".join([text, *self._features(inputs, row), *self._targets(targets, row)])

    def tokens_before(self, inputs: Arrays, row: int, position: int | None) -> tuple[list[str], bool]:
        """Return the last tokens of an example, and True if the example has tokens before them.

        Args:
            inputs: Inputs of the model, of a batch.
            row: Row of the batch.
            position: Position of the label in a batch of whole rows; None in a batch of windows.
        """
        ids = inputs["input_ids"][row] if position is None else inputs["input_ids"][row][: position + 1]
        ids = [int(i) for i in ids if i != self.layout.padding]
        return [self._token("inputs", i) for i in ids[-_TOKENS:]], len(ids) > _TOKENS

    def labels(self, targets: Arrays, row: int, position: int | None) -> list[str]:
        """Return the label of an example, or its several labels. The arguments are those of `example`."""
        found = targets[LABEL][row]
        if position is not None:
            found = found[position]
        # Several labels of a row are followed by padding.
        ids = [found] if not self.layout.several_labels else [label for label in found if label > PADDING]
        return [self.label(int(i)) for i in ids]

    def label(self, index: int) -> str:
        """Return the text of a class of the label; `?` outside the vocabulary."""
        return self._token("labels", index)

    def extremes(self, inputs: Arrays, row: int) -> list[str]:
        """Return the columns of the numbers of a row that are as far from their means as Transform allows."""
        return [name_of(key) for key in self.layout.numbers if not abs(float(inputs[key][row])) < Z_BOUND]

    def _features(self, inputs: Arrays, row: int) -> list[str]:
        numbers = [f"{_name(key)} {float(inputs[key][row]):+.2f} deviations" for key in self.layout.numbers]
        return [*numbers, *(self._category(key, inputs[key][row]) for key in self.layout.categories)]

    def _targets(self, targets: Arrays, row: int) -> list[str]:
        numbers = [f"{_name(key)} {in_units(float(targets[key][row]))}" for key in self.layout.target_numbers]
        return [*numbers, *(self._category(key, targets[key][row]) for key in self.layout.target_counts)]

    def _category(self, key: str, index: int) -> str:
        return f"{_name(key)} '{self._token(category_file(name_of(key)), index)}'"

    def _token(self, vocabulary: str, index: int) -> str:
        tokens = self.tokens[vocabulary]
        return _short(printable(tokens[index])) if 0 <= index < len(tokens) else "?"


def _name(key: str) -> str:
    return printable(name_of(key))


def _short(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}..."
