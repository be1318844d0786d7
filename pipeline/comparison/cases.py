"""Rows that one of two models answers right and the other wrong, with the answers of both.

A row of shape `sequence` has many labels, and the signature `eval` sums over them. The rows in which one model has more
labels among its ten most probable are drawn from these sums. The models then answer the beginnings of each drawn row,
and the position with the clearest difference is shown.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.inference.answers import Answer as RawAnswer
from components.inference.model import PushedModel
from components.inference.rows.questions import Question
from components.ingest.options.baskets import basket_bounds
from components.ingest.rows.example import serialize
from components.ingest.spec import DataSpec
from components.metrics.targets import Target
from components.names import FIRST_LABEL
from pipeline.comparison.measuring import Floats
from pipeline.comparison.results import Answer, Case, Cases
from pipeline.comparison.rows import columns_in

SHOWN = 10
"""Rows that are shown of each kind, by default."""
TOP = 10
_POSITIONS = 50
"""Positions of a row that the models answer, at most."""
_LABELS = 3
"""Labels of an answer that are shown."""
_WIDTH = 160
"""Characters of a shown input, at most."""
_SEED = 0


@dataclass(frozen=True)
class _Drawn:
    """Row that was drawn.

    Attributes:
        place: Number of the row, from 0.
        advantage: Advantage of the better model: more labels among the ten most probable, or less error.
        questions: Question of each of both models.
    """

    place: int
    advantage: float
    questions: tuple[Question, Question]


class Draw:
    """Draw of rows that one of two models answers better, while the rows are read.

    Of classes, the rows are drawn at random, with a fixed seed. Of numbers, those with the greatest difference of the
    errors are kept.

    Args:
        label: Label as a target.
        other: Number of the model that is compared with the first one.
        shown: Number of rows to draw for each of both models.
    """

    def __init__(self, label: Target, other: int, shown: int = SHOWN) -> None:
        self._number = label.kind == "number"
        self._other, self._shown = other, shown
        # The best class of a row with several labels is right if it is one of them.
        name = "absolute_error" if self._number else f"hit_{TOP}"
        self._sum = label.sum_names.index(name) if name in label.sum_names else None
        self._random = random.Random(_SEED)
        self._heaps: tuple[list[Any], list[Any]] = ([], [])
        self.counts = [0, 0]
        """Rows that the first model, and the other one, answers better."""
        self._place = 0

    def add(self, questions: Sequence[Sequence[Question]], sums: Floats) -> None:
        """Add rows.

        Args:
            questions: Questions of each model.
            sums: (rows, models, sums) sums of the label.
        """
        if self._sum is None:
            return
        advantage = sums[:, 0, self._sum] - sums[:, self._other, self._sum]
        for row in np.flatnonzero(advantage).tolist():
            better = (-advantage[row] if self._number else advantage[row]) > 0
            side = 0 if better else 1
            self.counts[side] += 1
            found = _Drawn(
                self._place + row,
                abs(float(advantage[row])),
                (questions[0][row], questions[self._other][row]),
            )
            priority = found.advantage if self._number else self._random.random()
            heapq.heappush(self._heaps[side], (priority, -found.place, found))
            if len(self._heaps[side]) > self._shown:
                heapq.heappop(self._heaps[side])
        self._place += len(sums)

    def rows(self, side: int) -> list[_Drawn]:
        """Return the drawn rows that a model answers better, in the order of the rows. 0: the first model."""
        return sorted((found for *_, found in self._heaps[side]), key=lambda found: found.place)


def cases(draw: Draw, models: tuple[PushedModel, PushedModel], excluded: bool, name: str) -> Cases:
    """Return the drawn rows with the answers of both models, those with the clearest difference first.

    Args:
        draw: Drawn rows.
        models: The first model and the other one.
        excluded: True to leave labels that the input contains out of the ranking.
        name: Name of the other model.
    """
    found = [_clearest(draw.rows(side), models, side, excluded) for side in (0, 1)]
    return Cases(
        model=name, first_right=found[0], other_right=found[1], rows_first=draw.counts[0], rows_other=draw.counts[1]
    )


def _clearest(
    drawn: Sequence[_Drawn], models: tuple[PushedModel, PushedModel], side: int, excluded: bool
) -> list[Case]:
    """Return a case for each drawn row in which the answers differ as the sums do."""
    found: list[tuple[float, Case]] = []
    for row in drawn:
        asked = [*_positions(row, models)]
        answers = [_answers(model, [each[place] for each, *_ in asked]) for place, model in enumerate(models)]
        best: tuple[float, Case] | None = None
        for (_, columns, truth), *both in zip(asked, *answers, strict=True):
            if any(answer is None for answer in both):
                continue
            seen = set(columns["input"]) if excluded else set()
            given = [_answer(answer, truth, seen) for answer in both]
            clear = _difference(given, truth, side)
            if clear > 0 and (best is None or clear > best[0]):
                shown = [answer.model_copy(update={"labels": answer.labels[:_LABELS]}) for answer in given]
                case = Case(where=row.questions[0].where, input=columns["text"], truth=truth, answers=shown)
                best = clear, case
        if best is not None:
            found.append(best)
    return [case for _, case in sorted(found, key=lambda each: -each[0])]


def _difference(given: Sequence[Answer], truth: Sequence[str], side: int) -> float:
    """Return how much better the model of a side answers; not above 0 if it does not."""
    better, worse = given[side], given[1 - side]
    if better.value is not None and worse.value is not None:
        return abs(worse.value - float(truth[0])) - abs(better.value - float(truth[0]))
    if better.rank is None or worse.rank is not None:
        return 0.0
    return max(probability for label, probability in better.labels if label in truth)


def _answer(answer: RawAnswer, truth: Sequence[str], seen: set[str]) -> Answer:
    labels = [(label, round(p, 6)) for label, p in answer["labels"] if label not in seen][:TOP]
    rank = next((place for place, (label, _) in enumerate(labels, 1) if label in truth), None)
    return Answer(labels=labels, value=answer["value"], rank=rank)


def _answers(model: PushedModel, examples: Sequence[bytes]) -> list[RawAnswer | None]:
    # More labels than TOP, because those of the input may be left out.
    questions = [Question(number, "", example) for number, example in enumerate(examples, 1)]
    top = model.labels(model.top_k)
    return [answer for batch in model.answers(questions, top) for _, answer in batch]


def _positions(
    row: _Drawn, models: tuple[PushedModel, PushedModel]
) -> Iterator[tuple[tuple[bytes, bytes], dict[str, Any], list[str]]]:
    """Yield the inputs of a row that the models answer: Examples, `input` and `text` for people, and the true labels.

    Rows of shape `labelled` have one such input. Of shape `sequence`, a sample of the positions is yielded.
    """
    data = models[0].data
    examples = [bytes(question.example or b"") for question in row.questions]
    columns = [columns_in(example) for example in examples]
    if data.shape != "sequence":
        truth = [v if isinstance(v, str) else f"{v:.7g}" for v in columns[0][str(data.label)]]
        tokens = [token for name in data.inputs for token in columns[0].get(name, ())]
        yield (examples[0], examples[1]), {"input": tokens, "text": shortened(columns[0], data)}, truth
        return
    tokens = columns[0][data.inputs[0]]
    bounds = basket_bounds(columns[0][data.baskets]) if data.baskets else range(len(tokens) + 1)
    first = columns[0].get(FIRST_LABEL, [1])[0]
    places = [place for place in range(1, len(bounds) - 1) if bounds[place] >= first]
    if len(places) > _POSITIONS:
        places = sorted(random.Random(_SEED + row.place).sample(places, _POSITIONS))
    for place in places:
        end, after = bounds[place], bounds[place + 1]
        cut = [_beginning(of, model.data, end) for of, model in zip(columns, models, strict=True)]
        yield (
            (serialize(cut[0]), serialize(cut[1])),
            {"input": cut[0][data.inputs[0]], "text": shortened(cut[0], data)},
            tokens[end:after],
        )


def _beginning(columns: Mapping[str, list[Any]], data: DataSpec, end: int) -> dict[str, list[Any]]:
    """Return the columns that a prediction reads, with the first tokens of a row."""
    of_tokens = (*data.inputs, *data.token_columns)
    return {
        name: columns[name][:end] if name in of_tokens else columns[name]
        for name in (*of_tokens, *data.features)
        if name in columns
    }


def shortened(columns: Mapping[str, list[Any]], data: DataSpec) -> str:
    """Return the input of a row for people: the features, then the last tokens of each input column.

    Args:
        columns: Values of the row by column.
        data: Data specification that names the columns.
    """
    features = [f"{name} {_text(columns[name][0])}" for name in data.features if columns.get(name)]
    texts = [" ".join(map(_text, columns.get(name, ()))) for name in data.inputs]
    whole = f"{', '.join(features)}: " if features else ""
    text = " | ".join(text for text in texts if text)
    # The last tokens matter most.
    return whole + (text if len(text) <= _WIDTH else f"... {text[-_WIDTH:].partition(' ')[2] or text[-_WIDTH:]}")


def _text(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, float) else str(value)
