"""Profile of a column: the forms of its values in a sample of rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.ingest.errors import RowError
from components.ingest.rows.times import parsed_time
from components.ingest.values import list_of, one_of, text_of

MARKERS = ("NA", "N/A", "na", "n/a", "NULL", "null", "None", "none", r"\N", "-", "?", "nan", "NaN", "NAN")
"""Texts that often stand for a missing value."""
SEPARATORS = ("|", ";", ",", " ")
"""Separators of lists in a cell, the most reliable first."""
_FORMS = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M", "%Y%m%d")
_LEAST_TIME, _MOST_TIME = 1e8, 2e18
_NEARLY = 0.95
_SOME_WORDS, _MANY_WORDS = 1.8, 4.0
_SEVERAL = 0.05
"""Least share of the cells with a separator for a column of several labels in a cell."""


@dataclass
class Profile:
    """Values of a column.

    Attributes:
        name: Name of the column.
        rows: Number of rows.
        texts: Number of occurrences of each text.
        missing: Number of rows without a value.
        markers: Texts that seem to stand for a missing value.
        numbers: Number of values that are numbers, without the markers.
        integers: Number of numbers without a fraction.
        whole: Number of texts such as `3.0`.
        lists: Number of rows with several tokens, as a list or in a text.
        words: Number of words of all texts.
        separator: Separator of the lists in the texts; None if the values are lists.
        tokens: Number of occurrences of each token, if the column contains lists.
        literal: True if the texts are JSON or Python lists.
        refused: Number of rows with an object, or with another value that is not a text.
    """

    name: str
    rows: int = 0
    texts: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    markers: list[str] = field(default_factory=list)
    numbers: int = 0
    integers: int = 0
    whole: int = 0
    lists: int = 0
    words: int = 0
    separator: str | None = None
    tokens: Counter[str] = field(default_factory=Counter)
    literal: bool = False
    refused: int = 0

    @property
    def filled(self) -> int:
        """Number of rows with a value, including lists."""
        return self.rows - self.missing - sum(self.texts[marker] for marker in self.markers)

    @property
    def distinct(self) -> int:
        """Number of distinct texts, without the markers."""
        return len(self.texts) - len(self.markers)

    @property
    def distinct_share(self) -> float:
        """Number of distinct texts, as a share of the rows with a text."""
        return self.distinct / max(self.filled, 1)

    @property
    def is_number(self) -> bool:
        """True if nearly all values are numbers."""
        return self.filled > 0 and self.numbers >= _NEARLY * self.filled and not self.is_list

    @property
    def is_integer(self) -> bool:
        """True if nearly all values are integers."""
        return self.is_number and self.integers >= _NEARLY * self.filled

    @property
    def is_list(self) -> bool:
        """True if most values are lists of tokens."""
        return self.filled > 0 and self.lists >= 0.5 * self.filled

    @property
    def is_text(self) -> bool:
        """True if most values are texts of several words. Short texts must also rarely repeat."""
        if self.is_number or self.is_list:
            return False
        return self.mean_words >= _MANY_WORDS or (self.mean_words >= _SOME_WORDS and self.distinct_share > 0.3)

    @property
    def values(self) -> set[str]:
        """Distinct tokens."""
        return set(self.tokens if self.is_list else self.texts) - set(self.markers)

    @property
    def mean_words(self) -> float:
        """Mean number of words of a text."""
        return self.words / max(self.filled, 1)

    def time_form(self) -> str | None:
        """Return the form of the times in the column: empty for ISO dates and epochs, None for other values."""
        values = [text for text in list(self.texts)[:200] if text not in self.markers]
        if not values or self.is_list:
            return None
        if self.is_number:
            seconds = [float(value) for value in values if _is_number(value)]
            epochs = all(_LEAST_TIME <= abs(second) <= _MOST_TIME for second in seconds)
            unnamed = re.fullmatch(r"c\d+", self.name) is not None and self.is_integer
            return "" if epochs and (unnamed or _named_like_a_time(self.name)) else None
        for form in (None, *_FORMS):
            if sum(parsed_time(value, form) is not None for value in values) >= _NEARLY * len(values):
                return form or ""
        return None

    def coverage(self, sizes: Sequence[int]) -> dict[int, float]:
        """Return the share of all occurrences that the `size` most frequent tokens cover, for each of the sizes."""
        counts = [count for _, count in (self.tokens or self.texts).most_common()]
        total = max(sum(counts), 1)
        return {size: sum(counts[:size]) / total for size in sizes}


def profiles(rows: Sequence[Mapping[str, Any]]) -> dict[str, Profile]:
    """Return the profile of each column of the rows, in the order of first occurrence."""
    found: dict[str, Profile] = {}
    for row in rows:
        for name in row:
            found.setdefault(name, Profile(name))
    found.pop("", None)
    for name, profile in found.items():
        _count(profile, [row.get(name) for row in rows])
    return found


def _count(profile: Profile, values: Sequence[Any]) -> None:
    profile.rows = len(values)
    profile.tokens = Counter()
    numbers: Counter[str] = Counter()
    for value in values:
        try:
            if isinstance(value, list) and len(value) > 1:
                profile.lists += 1
                profile.tokens.update(text for each in value if (text := text_of(profile.name, each)))
                continue
            text = text_of(profile.name, one_of(value))
        except RowError:
            profile.refused += 1
            continue
        if text is None:
            profile.missing += 1
            continue
        profile.texts[text] += 1
        profile.tokens[text] += isinstance(value, list)
        if _is_number(text):
            numbers[text] += 1
    _find_markers(profile, numbers)
    profile.numbers = numbers.total()
    profile.integers = sum(count for text, count in numbers.items() if float(text).is_integer())
    profile.whole = sum(count for text, count in numbers.items() if re.fullmatch(r"-?\d+\.0", text))
    profile.words = sum(len(text.split()) * count for text, count in profile.texts.items())
    if profile.lists:
        return
    profile.tokens = Counter()
    _find_lists(profile)


def _find_markers(profile: Profile, numbers: Counter[str]) -> None:
    """Record markers of missing values: the few texts in a column of numbers, or rare markers in other columns."""
    present = [marker for marker in MARKERS if profile.texts[marker] and marker not in numbers]
    others = profile.texts.total() - numbers.total() - sum(profile.texts[marker] for marker in present)
    if numbers.total() > 0.5 * profile.texts.total() and others <= 0.05 * profile.texts.total():
        profile.markers = present
    elif len(profile.texts) > 2:
        profile.markers = [marker for marker in present if marker in (r"\N", "NULL", "N/A", "nan", "NaN")]


def _find_lists(profile: Profile) -> None:
    """Detect lists in the texts, and their separator."""
    texts = profile.texts
    total = max(texts.total(), 1)
    literal = sum(count for text, count in texts.items() if re.fullmatch(r"\s*\[.*\]\s*", text, re.DOTALL))
    for separator in (",",) if literal > 0.5 * total else SEPARATORS[:3]:
        held = {text: list_of(text, separator) for text in texts}
        several = sum(texts[text] for text, values in held.items() if len(values) > 1)
        tokens: Counter[str] = Counter()
        for text, values in held.items():
            for value in values:
                tokens[str(value)] += texts[text]
        # Unlike the parts of a sentence, tokens of lists repeat and have no spaces.
        plain = sum(count for token, count in tokens.items() if " " not in token.strip())
        alike = several > 0.5 * total and plain > 0.9 * tokens.total() and len(tokens) < 0.5 * tokens.total()
        if literal > 0.5 * total or alike:
            profile.separator, profile.lists, profile.tokens = separator, max(several, literal), tokens
            profile.literal = literal > 0.5 * total
            return


def separator_of_labels(profile: Profile) -> str | None:
    """Return the separator of several labels in a cell, or None if a cell seems to be one label.

    The labels repeat in different combinations: they have fewer distinct values than the cells.
    """
    total = profile.texts.total()
    if profile.is_list or profile.is_number or profile.is_text:
        return None
    for separator in ("|", ";"):
        parts = [(text.split(separator), number) for text, number in profile.texts.items()]
        several = sum(number for labels, number in parts if len(labels) > 1 and all(map(str.strip, labels)))
        distinct = {label.strip() for labels, _ in parts for label in labels}
        if several >= _SEVERAL * total and len(distinct) < len(profile.texts):
            return separator
    return None


def _is_number(text: str) -> bool:
    try:
        float("no" if "_" in text else text)
    except ValueError:
        return False
    return text.strip().lower() not in ("nan", "inf", "-inf", "infinity", "-infinity")


def _named_like_a_time(name: str) -> bool:
    return bool(re.search(r"time|date|day|_at$|^ts$|_ts$|epoch|stamp|when|second|millis", name, re.IGNORECASE))
