"""Asks a pushed model: text or rows in; labels with their probabilities, numbers and further targets out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from components.ingest.spec import PROBABILITY, DataSpec

# One request's rows: enough to keep the cores busy, few enough for rows x labels to stay small.
ROWS = 256
_TOP = 10
Answer = dict[str, Any]
"""`labels` with their probabilities, the most probable first; `value` where the label is a number; `targets` by name, a
number or a value with its probability."""


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

    A line of JSON is the list of labels; of a model with further targets, or of a label that is a number, an object:
    `labels` or `value`, and each further target by its name.

    Raises:
        PredictError: no model, an unreadable row, an unknown column, or `top` beyond what the model answers.
    """
    folder = _newest_version(model) if model else _latest(Path("runs"))
    about = _about(folder)
    data = DataSpec.model_validate(about["data"])
    top = _top(top, about, data)
    common = _features(features, data)
    if texts and len(data.inputs) > 1:
        raise PredictError(f"this model's inputs are the columns {', '.join(data.inputs)}: give rows with --input")
    if rows_file:
        rows = _rows(rows_file, data)
    else:
        rows = [_row({data.inputs[0]: text, **common}, data, f"text {n}") for n, text in enumerate(texts, 1)]
    answers = _ask(folder, rows, data)
    for text, answer in zip(texts, answers, strict=True) if texts else ((None, answer) for answer in answers):
        answer["labels"] = answer["labels"][:top]
        out.write(_json(answer, data) if text is None else "\n".join([text, *_lines(answer, data)]) + "\n")
    return 0


def _top(top: int | None, about: Mapping[str, Any], data: DataSpec) -> int:
    """How many labels are shown."""
    if data.label_kind == "number":
        if top is not None:
            raise PredictError(f"--top {top}: this model answers a number, {data.label}, and no labels")
        return 0
    top = min(_TOP, about["top_k"]) if top is None else top
    if not 1 <= top <= about["top_k"]:
        raise PredictError(f"--top {top}: this model answers 1 to {about['top_k']} labels (trainer.top_k)")
    return top


def _lines(answer: Answer, data: DataSpec) -> Iterator[str]:
    """An answer for people: labels in a table, then numbers and further targets by their columns' names."""
    rows = [(label, f"{probability:.4f}") for label, probability in answer["labels"]]
    if data.label_kind == "number":
        rows.append((str(data.label), _number(answer["value"])))
    width = max(len(label) for label, _ in rows)
    yield from (f"  {label:<{width}}  {figure}" for label, figure in rows)
    for name, found in answer["targets"].items():
        yield f"  {name}: {found[0]}  {found[1]:.4f}" if isinstance(found, tuple) else f"  {name}: {_number(found)}"


def _json(answer: Answer, data: DataSpec) -> str:
    """An answer for machines, in a line."""
    labels = [_labelled(*found) for found in answer["labels"]]
    line: Any = labels
    if data.targets or data.label_kind == "number":
        label = {"value": _rounded(answer["value"])} if data.label_kind == "number" else {"labels": labels}
        targets = {
            n: _labelled(*found) if isinstance(found, tuple) else _rounded(found)
            for n, found in answer["targets"].items()
        }
        line = {**label, **targets}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _labelled(label: str, probability: float) -> dict[str, Any]:
    return {"label": label, "probability": round(probability, 6)}


def _rounded(value: float) -> float:
    """To the digits that a float32 has."""
    return float(f"{value:.7g}")


def _number(value: float) -> str:
    return f"{value:.6g}"


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
    from components.ingest.rows import columns_of, row_to_columns
    from components.ingest.wire import serialize

    for name in row:
        if name not in columns_of(data):
            raise PredictError(f"{where}: unknown column '{name}'{nearest(name, columns_of(data))}")
    try:
        return serialize(row_to_columns(row, data))
    except (RowError, ShortRow) as error:
        raise PredictError(f"{where}: {error}") from error


def _ask(folder: Path, rows: Iterable[bytes], data: DataSpec) -> Iterable[Answer]:
    """The answer to each row."""
    model = None
    for batch in _batches(rows, ROWS):
        # Not before the first rows are known to be right: loading takes seconds.
        model = model or _load(folder)
        import tensorflow as tf

        outputs = model.signatures["serving_default"](examples=tf.constant(batch))
        columns = {name: tensor.numpy().tolist() for name, tensor in outputs.items()}
        yield from (_answer({name: c[n] for name, c in columns.items()}, data) for n in range(len(batch)))


def _answer(row: Mapping[str, Any], data: DataSpec) -> Answer:
    """One row of the outputs: see `components.trainer.export`."""
    labels = zip(row.get("labels", []), row.get("probabilities", []), strict=True)
    return {
        "labels": [(label.decode(), probability) for label, probability in labels],
        "value": row.get("values"),
        "targets": {
            name: row[name] if target.kind == "number" else (row[name].decode(), row[f"{name}{PROBABILITY}"])
            for name, target in data.targets.items()
        },
    }


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
