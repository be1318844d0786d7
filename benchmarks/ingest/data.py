"""Data for the ingestion benchmark: synthetic data of any size, or the default corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import zipf

CORPUS = "corpus"
WORDS = 40_000
LABELS = 25_000
SEQUENCE = 88
"""Words per sequence, as in the paragraphs of the default corpus. A sequence has one window fewer than words."""
ITEMS = 10
_CHUNK = 20_000

_SEQUENCES = """\
name: sequences
data: {shape: sequence, source: {kind: text, path: text}, inputs: [words], schema_file: schema.pbtxt}
"""
_ROWS = """\
name: rows
data:
  shape: labelled
  source: {kind: csv, path: rows.csv}
  inputs: [items]
  label: label
  tokenizer: whitespace
  features: {price: {kind: number}, shop: {kind: category}}
  schema_file: schema.pbtxt
"""
_EVENTS = """\
name: events
data:
  shape: events
  source: {kind: csv, path: events.csv}
  group_by: user
  order_by: time
  session_gap: 30m
  inputs: [item]
  tokenizer: none
  features: {country: {kind: category}}
  schema_file: schema.pbtxt
"""
_CORPUS = """\
name: corpus
data: {shape: sequence, source: {kind: sotu}, inputs: [words], features: {year: {kind: number}}}
"""
_FEATURE = 'feature {{ name: "{name}" type: {kind} presence {{ min_fraction: 1.0 min_count: 1 }} }}\n'


def write_sequences(folder: Path, windows: int, seed: int = 0) -> str:
    """Write plain text with one sequence per paragraph, and return the configuration that reads it.

    Args:
        folder: Existing folder to write to.
        windows: Approximate number of windows. Each word of a paragraph after the first is the label of a window.
        seed: Seed of the draws.
    """
    (folder / "text").mkdir()
    words = np.array([f"word{_letters(number)}" for number in range(WORDS)], dtype=object)
    rng = np.random.default_rng(seed)
    with (folder / "text" / "all.txt").open("w", encoding="utf-8") as file:
        for rows in _chunks(max(1, round(windows / (SEQUENCE - 1)))):
            drawn = words[_zipf(rng, WORDS, rows * SEQUENCE)].reshape(rows, SEQUENCE)
            file.write("".join(" ".join(row) + "\n\n" for row in drawn))
    (folder / "schema.pbtxt").write_text(_FEATURE.format(name="words", kind="BYTES"))
    return _SEQUENCES


def write_rows(folder: Path, rows: int, seed: int = 0) -> str:
    """Write a CSV file of labeled rows, and return the configuration that reads it.

    A row has ten items, a number, a category and the label.

    Args:
        folder: Existing folder to write to.
        rows: Number of rows.
        seed: Seed of the draws.
    """
    items = np.array([f"item-{number}" for number in range(WORDS)], dtype=object)
    rng = np.random.default_rng(seed)
    with (folder / "rows.csv").open("w", encoding="utf-8") as file:
        file.write("items,price,shop,label\n")
        for count in _chunks(rows):
            drawn = items[_zipf(rng, WORDS, count * ITEMS)].reshape(count, ITEMS)
            prices, shops = rng.lognormal(3, 1, count), _zipf(rng, 500, count)
            labels = _zipf(rng, LABELS, count)
            cells = zip(drawn, prices, shops, labels, strict=True)
            lines = [f"{' '.join(row)},{price:.2f},shop {shop},label-{label}\n" for row, price, shop, label in cells]
            file.write("".join(lines))
    kinds = {"items": "BYTES", "price": "FLOAT", "shop": "BYTES", "label": "BYTES"}
    (folder / "schema.pbtxt").write_text("".join(_FEATURE.format(name=n, kind=k) for n, k in kinds.items()))
    return _ROWS


def write_events(folder: Path, events: int, seed: int = 0) -> str:
    """Write a CSV file of events in order of time, and return the configuration that groups them into sessions.

    A user has 25 events on average, in sessions of about five events.

    Args:
        folder: Existing folder to write to.
        events: Number of events.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    users, time = max(1, events // 25), 1_700_000_000
    # So many seconds between two events that a pause of 30 minutes ends a fifth of the time between events of a user.
    pace = -1_800 / (users * np.log(0.2))
    with (folder / "events.csv").open("w", encoding="utf-8") as file:
        file.write("user,item,time,country\n")
        start = float(time)
        for count in _chunks(events):
            times = start + np.cumsum(rng.exponential(pace, count))
            start = times[-1]
            cells = zip(rng.integers(0, users, count), _zipf(rng, WORDS, count), times, strict=True)
            file.write("".join(f"user-{user},item-{item},{at:.3f},c{user % 50}\n" for user, item, at in cells))
    kinds = {"item": "BYTES", "country": "BYTES"}
    (folder / "schema.pbtxt").write_text("".join(_FEATURE.format(name=n, kind=k) for n, k in kinds.items()))
    return _EVENTS


def corpus(folder: Path, size: int) -> str:
    """Return the configuration of the default corpus. The corpus has a fixed size, so `size` is ignored."""
    return _CORPUS


WRITERS: dict[str, Callable[[Path, int], str]] = {
    "sequences": write_sequences,
    "rows": write_rows,
    "events": write_events,
    CORPUS: corpus,
}
"""Functions that write data of a given size into a folder and return the configuration, by name."""


def _chunks(rows: int) -> Iterator[int]:
    for start in range(0, rows, _CHUNK):
        yield min(_CHUNK, rows - start)


def _zipf(rng: np.random.Generator, of: int, count: int) -> NDArray[np.int64]:
    return zipf.drawn(zipf.frequencies(of), rng.random(count))


def _letters(number: int) -> str:
    """Return a number as letters, since a tokenizer may split digits from words."""
    found = ""
    while True:
        number, digit = divmod(number, 26)
        found = chr(97 + digit) + found
        if not number:
            return found
