"""Test of a whole run on a log of purchases, whose orders are the baskets of a row."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Bigvocab
from tests.pipeline.whole_runs import answers, check, run, summary

pytestmark = pytest.mark.slow
PAIRS, ROWS = 12, 240


@pytest.fixture(scope="module")
def shop(bigvocab: Bigvocab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the pipeline on customers who buy the same pair of products in each order, and others now and then."""
    folder, rng = tmp_path_factory.mktemp("shop"), random.Random(0)
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["customer", "time", "order", "product", "shop"])
        for customer in range(ROWS):
            pair = rng.randrange(PAIRS)
            for order in range(rng.randint(3, 5) if customer else 1):
                bought = [f"bread {pair}", f"milk {pair}", f"bread {pair}"]
                bought += [f"other {rng.randrange(20)}"] if rng.random() < 0.5 else []
                for product in bought:
                    writer.writerow([f"c{customer}", 100 * order, f"o{customer}-{order}", product, f"s{order % 2}"])
    file = folder / "shop.yaml"
    file.write_text(
        """\
name: shop
data:
  shape: events
  source: {kind: csv, path: log.csv}
  group_by: customer
  order_by: time
  inputs: [product]
  tokenizer: none
  baskets: order
  min_baskets: 3
  token_features: {shop: {kind: category}}
  splits: {leave_out: 1, eval_share: 0.5}
vocabulary: {labels: 60}
trainer:
  epochs: 3
  batch: 32
  learning_rate: 0.01
  model: {kind: basket, embedding: 16, context: 8, feature_embedding: 2, tie: true}
  head: {similarity: cosine, repeats: true}
evaluation: {beat: [popular], bands: {head: 10, torso: 20}}
"""
    )
    check(file, run(bigvocab, file))
    return file


def test_the_products_of_earlier_orders_come_first(shop: Path, bigvocab: Bigvocab) -> None:
    found = summary(shop)
    assert found["examples"]["test"]["rows"] == ROWS - 1, "one customer has one order"
    assert found["examples"]["eval"]["rows"] < 0.7 * ROWS
    # Two of at most three products of a basket are the customer's own.
    assert 0.75 < found["metrics"]["recall_at_5"] <= 1.0
    assert found["baselines"]["history"]["recall_at_5"] > 0.75
    rows: list[dict[str, Any]] = [
        {"product": ["bread 3", "milk 3", "other 1", "bread 3", "milk 3"], "order": ["x", "x", "x", "y", "y"]},
        {"product": ["bread 3", "bread 3", "milk 3", "other 1", "milk 3", "bread 3"], "order": list("xxxxyy")},
        {"product": ["milk 7", "bread 7"]},
    ]
    first, same, alone = answers(bigvocab, shop, rows, "--top", "3")
    assert {entry["label"] for entry in first[:2]} == {"bread 3", "milk 3"}
    # The order within a basket does not matter, and equal products of a basket count once.
    for one, other in zip(first, same, strict=True):
        assert one["label"] == other["label"]
        assert one["probability"] == pytest.approx(other["probability"], rel=1e-4)
    assert {entry["label"] for entry in alone[:2]} == {"bread 7", "milk 7"}
    (shop.parent / "new.csv").write_text(
        "customer,time,order,product,shop\nu1,1,a,bread 4,s0\nu1,1,a,milk 4,s0\nu1,9,b,milk 4,s1\n"
    )
    result = bigvocab("predict", "--input", "new.csv", "--top", "1", folder=shop.parent)
    assert result.returncode == 0, result.stderr
    assert '"customer": "u1", "labels": [{"label": "milk 4"' in result.stdout, result.stdout
