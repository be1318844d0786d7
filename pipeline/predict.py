"""Asks a pushed model: text or rows in, labels with their probabilities out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from components.ingest.spec import DataSpec

# One request's rows: enough to keep the cores busy, few enough for rows x labels to stay small.
ROWS = 256
_TOP = 10


class PredictError(Exception):
    """What is wrong with the model or the input, in one sentence."""


def predict(
    model: Path | None,
    texts: Sequence[str],
    rows_file: Path | None,
    top: int | None,
    features: Sequence[str],
    out: TextIO,
) -> int:
    """Writes the answers: a table for texts, JSON Lines for a file of rows.

    Raises:
        PredictError: no model, an unreadable row, an unknown column, or `top` beyond what the model answers.
    """
    folder = _newest_version(model) if model else _latest(Path("runs"))
    about = _about(folder)
    data = DataSpec.model_validate(about["data"])
    top = min(_TOP, about["top_k"]) if top is None else top
    if not 1 <= top <= about["top_k"]:
        raise PredictError(f"--top {top}: this model answers 1 to {about['top_k']} labels (trainer.top_k)")
    common = _features(features, data)
    if texts and len(data.inputs) > 1:
        raise PredictError(f"this model's inputs are the columns {', '.join(data.inputs)}: give rows with --input")
    if rows_file:
        rows = _rows(rows_file, data)
    else:
        rows = [_row({data.inputs[0]: text, **common}, data, f"text {n}") for n, text in enumerate(texts, 1)]
    answers = _ask(folder, rows)
    if texts:
        for text, answer in zip(texts, answers, strict=True):
            out.write(f"{text}\n")
            width = max(len(label) for label, _ in answer[:top])
            for label, probability in answer[:top]:
                out.write(f"  {label:<{width}}  {probability:.4f}\n")
    else:
        for answer in answers:
            line = [{"label": label, "probability": round(probability, 6)} for label, probability in answer[:top]]
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    return 0


def _latest(runs: Path) -> Path:
    versions = [path for path in runs.glob("*/serving/*") if path.name.isdigit()]
    if not versions:
        raise PredictError(f"no model was pushed yet under {runs}/: `bigvocab run` makes one, or name one by --model")
    return max(versions, key=lambda path: path.stat().st_mtime)


def _newest_version(folder: Path) -> Path:
    """The folder itself or, of the folder of all versions that model servers are given, the newest."""
    versions = [path for path in folder.glob("*") if path.name.isdigit() and path.is_dir()]
    return max(versions, key=lambda path: int(path.name)) if versions else folder


def _about(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "assets.extra" / "bigvocab.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise PredictError(f"{folder} is no model of BigVocab: {error.strerror}: {error.filename}") from error


def _features(settings: Iterable[str], data: DataSpec) -> dict[str, str]:
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or name not in data.features:
            raise PredictError(f"--feature {setting}: expected NAME=VALUE with NAME one of {', '.join(data.features)}")
        values[name] = value
    return values


def _rows(file: Path, data: DataSpec) -> Iterable[bytes]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PredictError(f"{file}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise PredictError(f"{file}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise PredictError(f"{file}:{number}: expected an object of column names and values")
        yield _row(row, data, f"{file}:{number}")


def _row(row: Mapping[str, Any], data: DataSpec, where: str) -> bytes:
    """A row as a serialized tf.Example, as the model's `serving_default` takes it."""
    from components.ingest.errors import RowError, ShortRow, nearest
    from components.ingest.rows import columns_of, row_to_columns, serialize

    for name in row:
        if name not in columns_of(data):
            raise PredictError(f"{where}: unknown column '{name}'{nearest(name, columns_of(data))}")
    try:
        return serialize(row_to_columns(row, data))
    except (RowError, ShortRow) as error:
        raise PredictError(f"{where}: {error}") from error


def _ask(folder: Path, rows: Iterable[bytes]) -> Iterable[list[tuple[str, float]]]:
    """Labels and probabilities of each row, the most probable first."""
    model = None
    for batch in _batches(rows, ROWS):
        # Not before the first rows are known to be right: loading takes seconds.
        model = model or _load(folder)
        import tensorflow as tf

        answer = model.signatures["serving_default"](examples=tf.constant(batch))
        for labels, probabilities in zip(answer["labels"].numpy(), answer["probabilities"].numpy(), strict=True):
            yield [(label.decode(), float(p)) for label, p in zip(labels, probabilities, strict=True)]


def _load(folder: Path) -> Any:
    """The model, to be held as long as its signatures are used: they do not hold its variables."""
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(folder))
    except OSError as error:
        raise PredictError(f"{folder}: the model cannot be loaded: {error}") from error


def _batches(rows: Iterable[bytes], size: int) -> Iterable[list[bytes]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
