"""Contribution of each value of a row to the answers: what the answer loses without the value.

For each token and each feature of the row, the model answers the row without that value. The contribution is

    log p(answer | row) - log p(answer | row without the value)

in nats, or the difference of the predictions if the label is a number. This holds for every part of a model: encoders,
features, counts of n-grams, repeats. Gradient times input, the alternative, misses all parts without a gradient with
respect to the embeddings, and a signature of a SavedModel has no gradient.

If the answer is not among the labels that the model returns without the value, its probability is at most that of the
last of these labels. The contribution is then a lower bound, marked `at_least`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.inference.answers import as_data, from_outputs
from components.ingest.errors import RowError, ShortRow
from components.ingest.rows.columns import Columns
from components.ingest.rows.example import serialize
from components.messages.spelling import did_you_mean
from components.serving.model import Model
from components.serving.rest.errors import RequestError
from components.serving.rest.inputs import Arrays
from components.serving.rest.signatures import DEFAULT

MAX_TOKENS = 2_000
"""Maximum number of tokens of a row."""
MAX_EXPLAINED = 64
"""Maximum number of tokens with a contribution: the last ones of the row. The others are answered, not explained."""
_TOP = 5
_LEAST = 1e-30
"""Probabilities below this value count as this value."""

Ask = Callable[[Arrays], Awaitable[Arrays]]
"""Function from the inputs of `serving_default` to its outputs."""


@dataclass(frozen=True)
class Value:
    """Value of a row whose contribution is measured.

    Attributes:
        column: Its column.
        place: Number of the token in its column, from 0; None for a feature.
        text: The value.
    """

    column: str
    place: int | None
    text: str | float | int


def row_of(asked: Mapping[str, Any], model: Model) -> Columns:
    """Return the columns of the row of a request.

    Args:
        asked: JSON object of the request, with the key `row`.
        model: Model that reads the row.

    Raises:
        RequestError: The row cannot be used, has a column that the model does not read, or has more than `MAX_TOKENS`
            tokens.
    """
    row = asked.get("row")
    if not isinstance(row, dict):
        raise RequestError("'row' must be an object from column to value, as in a line of `bigvocab predict --input`")
    known = [*model.data.inputs, *model.data.features, *model.data.token_columns]
    for name in row:
        if name not in known:
            raise RequestError(f"row: no column '{name}'{did_you_mean(name, known)} (there are: {', '.join(known)})")
    try:
        columns = model.read(row)
        serialize(columns)
    except (RowError, ShortRow) as error:
        raise RequestError(f"row: {error}") from error
    if (count := sum(len(columns[name]) for name in model.data.inputs)) > MAX_TOKENS:
        raise RequestError(f"row: {count:,} tokens: a request may have {MAX_TOKENS:,}")
    return columns


def top_of(asked: Mapping[str, Any], model: Model) -> int:
    """Return the number of answers of a request.

    Args:
        asked: JSON object of the request, with or without the key `top`.
        model: Model, whose `top_k` is the greatest number.

    Raises:
        RequestError: The number is not an integer from 1 to `top_k`.
    """
    most = model.top_k or 1
    top = asked.get("top", min(_TOP, most))
    if type(top) is not int or not 1 <= top <= most:
        raise RequestError(f"'top' must be an integer from 1 to {most} (trainer.top_k)")
    return top


def values_of(columns: Columns, model: Model) -> list[Value]:
    """Return the values of a row that are explained: its last `MAX_EXPLAINED` tokens, then its features.

    Args:
        columns: Columns of the row.
        model: Model that names the columns of tokens and of features.
    """
    tokens = [
        Value(name, place, token)
        for name in model.data.inputs
        for place, token in enumerate(columns[name])
        if isinstance(token, str)
    ]
    features = [Value(name, None, columns[name][0]) for name in model.data.features if columns[name]]
    return [*tokens[-MAX_EXPLAINED:], *features]


def without(columns: Columns, value: Value, model: Model) -> Columns:
    """Return the columns of a row without one value.

    Args:
        columns: Columns of the row.
        value: Value to leave out. The token features of a token are left out with it.
        model: Model that names the columns of the token features.
    """
    if value.place is None:
        return {**columns, value.column: []}
    taken = [value.column, *model.data.token_columns]
    return {
        name: [*values[: value.place], *values[value.place + 1 :]] if name in taken else values  # type: ignore[dict-item]
        for name, values in columns.items()
    }


async def explained(columns: Columns, top: int, model: Model, ask: Ask) -> dict[str, Any]:
    """Return the answers to a row, with the contribution of each value to each answer.

    Args:
        columns: Columns of the row.
        top: Number of answers.
        model: The model.
        ask: Function that asks the model for the answers to 1 + N rows, for N values.

    Returns:
        `tokens`: tokens by input column; `answer`: as `bigvocab predict` writes it; and `values`: each with `column`,
        `value`, `place` (for a token), `contributions` to each answer, and `at_least`. Contributions are in nats or, if
        the label is a number, in its unit.

    Raises:
        RequestError: The model refuses the rows, or too many rows wait.
    """
    values = values_of(columns, model)
    rows = [columns, *(without(columns, value, model) for value in values)]
    name = next(iter(model.signatures[DEFAULT].inputs))
    outputs = await ask({name: np.array([serialize(row) for row in rows], dtype=object)})
    whole = {key: array[:1].tolist() for key, array in outputs.items()}
    if "values" in outputs:
        found = outputs["values"]
        contributions, bounds = (found[0] - found[1:])[:, np.newaxis], np.zeros((len(values), 1), bool)
    else:
        contributions, bounds = label_contributions(outputs["labels"], outputs["probabilities"], top)
    return {
        "tokens": {column: columns[column] for column in model.data.inputs},
        "answer": as_data(from_outputs(whole, 0, model.data, top), model.data),
        "values": [
            {
                "column": value.column,
                "value": value.text,
                **({} if value.place is None else {"place": value.place}),
                "contributions": [round(float(each), 6) for each in contributions[number]],
                "at_least": bounds[number].tolist(),
            }
            for number, value in enumerate(values)
        ],
    }


def label_contributions(
    labels: NDArray[Any], probabilities: NDArray[Any], top: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the contributions of the values of a row to its most probable labels.

    Args:
        labels: (1 + values, k) labels of the row, then of the row without each value.
        probabilities: (1 + values, k) their probabilities, the greatest first.
        top: Number of labels to explain.

    Returns:
        Contributions in nats, (values, top), and a mask of those that are lower bounds.
    """
    answers = labels[0, :top].tolist()
    logs = np.log(np.maximum(probabilities.astype(np.float64), _LEAST))
    contributions = np.zeros((len(labels) - 1, len(answers)))
    bounds = np.zeros(contributions.shape, bool)
    for row, (found, scores) in enumerate(zip(labels[1:].tolist(), logs[1:], strict=True)):
        by_label = dict(zip(found, scores, strict=True))
        for place, label in enumerate(answers):
            score = by_label.get(label)
            bounds[row, place] = score is None
            contributions[row, place] = logs[0, place] - (scores[-1] if score is None else score)
    return contributions, bounds
