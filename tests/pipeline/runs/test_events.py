"""Tests of a whole run on a log of events, in which the kind of the last event decides the next item.

The items have features too, so that the model can answer with items that training never saw.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Bigvocab
from tests.pipeline.whole_runs import answers, check, run, versions

pytestmark = pytest.mark.slow

ITEMS = 30
STEPS = {"view": 1, "cart": 7, "buy": 13}
"""Distance of the next item by the kind of the last event. The item alone leaves three equally likely items."""


@pytest.fixture(scope="module")
def file(bigvocab: Bigvocab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    rng = random.Random(0)
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "time", "item", "kind", "price"])
        for user in range(400):
            time, item = 1_700_000_000 + user, rng.randrange(ITEMS)
            for _ in range(rng.randint(4, 12)):
                kind = rng.choice([*STEPS])
                shown = kind if rng.random() < 0.85 else ""
                writer.writerow([f"u{user}", time, f"item {item}", shown, "" if rng.random() < 0.1 else 5 + item / 2])
                time += rng.randint(1, 300)
                item = (item + STEPS[kind]) % ITEMS
    items(folder / "items.csv", range(ITEMS))
    file = folder / "log.yaml"
    file.write_text(
        """\
name: log
data:
  shape: events
  source: {kind: csv, path: log.csv}
  group_by: user
  order_by: time
  inputs: [item]
  tokenizer: none
  token_features: {kind: {kind: category}, price: {kind: number}, seconds: {kind: elapsed}}
  splits: {train: 80, eval: 10, test: 10}
vocabulary: {inputs: 50, labels: 50}
trainer: {batch: 64, epochs: 10, head: {negatives: 20, mixture: none}, model: {context: 4, ngrams: 1, num_heads: 0}}
evaluation: {beat: [popular], bands: {head: 10, torso: 20}}
labels: {file: items.csv, key: item, features: {shelf: {kind: category}, weight: {kind: number}}}
"""
    )
    result = run(bigvocab, file)
    found = check(file, result)
    assert "features of" in result.stdout
    # A model that sees only items has a perplexity of 3 at best, the number of kinds. The kind of 15% of the events is
    # missing, so that this model has one of 3 ** 0.15 = 1.18 at best.
    assert found["metrics"]["perplexity"] < 1.8
    assert found["baselines"]["bigram"]["perplexity"] > 2.9
    return file


def items(file: Path, numbers: Iterable[int]) -> None:
    lines = (f"item {number},shelf {number % 5},{number / 3:.2f}\n" for number in numbers)
    file.write_text(f"item,shelf,weight\n{''.join(lines)}")


def labels(answer: list[dict[str, Any]], least: float) -> set[str]:
    return {entry["label"] for entry in answer if entry["probability"] > least}


def test_the_kind_of_the_last_event_decides(bigvocab: Bigvocab, file: Path) -> None:
    rows = [{"item": ["item 1", "item 8"], "kind": ["cart", kind], "seconds": [0, 60]} for kind in STEPS]
    bare = {"item": ["item 1", "item 8"]}
    nulls = {**bare, **{name: [None, None] for name in ("kind", "price", "seconds")}}
    *each, without, with_nulls = answers(bigvocab, file, [*rows, bare, nulls])
    assert [labels(answer, 0.5) for answer in each] == [{f"item {8 + step}"} for step in STEPS.values()]
    assert without == with_nulls, "a column that is left out has missing values"
    assert len(without) == 10
    (file.parent / "new.csv").write_text(
        "user,time,item,kind,price\nu1,1,item 1,cart,5.5\nu1,90,item 8,buy,9\nu2,5,item 2,view,\nu2,7,item 3,buy,x\n"
    )
    result = bigvocab("predict", "--input", "new.csv", "--top", "1", folder=file.parent)
    assert result.returncode == 0, result.stderr
    assert '"user": "u1", "labels": [{"label": "item 21"' in result.stdout, result.stdout
    assert "column 'price' holds 'x'" in result.stderr


def test_a_new_label_is_answered_without_training(bigvocab: Bigvocab, file: Path) -> None:
    (first,) = versions(file)
    items(file.parent / "new_items.csv", [3, 40, 41])
    add = ("labels", "add", "runs/log", "new_items.csv")
    added = bigvocab(*add, folder=file.parent)
    assert added.returncode == 0, added.stderr
    assert "Added 2 labels" in added.stdout
    assert len(versions(file)) == 2
    rows = [{"item": ["item 1", "item 8"], "kind": ["cart", "view"]}, {"item": ["item 4"]}]
    known = {f"item {number}" for number in (*range(ITEMS), 40, 41)}
    for answer in answers(bigvocab, file, rows, "--top", str(ITEMS)):
        assert len(answer) == ITEMS
        assert {entry["label"] for entry in answer} < known
    again = bigvocab(*add, folder=file.parent)
    assert again.returncode == 2
    assert "nothing to add" in again.stderr
    assert "Traceback" not in again.stderr
    back = bigvocab("rollback", first, file.name, folder=file.parent)
    assert back.returncode == 0, back.stderr
