"""Tests that the configurations of `docs/how-to/data.md` read event logs of the form that they name."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from components.ingest.spec import DataSpec
from tests.components.ingest.conftest import Ingest

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "data.md"
CONFIGURATIONS = {
    found["name"]: found["data"]
    for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    if (found := yaml.safe_load(block)).get("data", {}).get("shape") == "events"
}


def lines(name: str, users: int = 60) -> list[str]:
    """Return a log of three to seven events of each user, as the public file has them."""
    rng, found = random.Random(0), []
    for user in range(users):
        time = datetime(2014, 4, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(10_000))
        for _ in range(rng.randint(3, 7)):
            time += timedelta(minutes=rng.randint(1, 20))
            item = 1_000 + rng.randrange(9)
            day = f"{time.month}/{time.day}/{time.year}"
            found.append(
                {
                    "shop": f"u{user},i{item},{time.isoformat()},buy,2.5",
                    "clicks": f"u{user},i{item},{time.isoformat()},DE",
                    "groceries": f"u{user},i{item},{time.isoformat()},o{len(found)}",
                    "movielens": f"{user}::{item}::5::{int(time.timestamp())}",
                    "yoochoose": f"{user},{time.isoformat(timespec='milliseconds').replace('+00:00', 'Z')},{item},0",
                    "ta_feng": f'"{day}","{user:08}","45-49","115","1","{item}","2","24","30"',
                }[name]
            )
    rng.shuffle(found)
    return found


HEADERS = {
    "shop": "user,item,time,event,price\n",
    "clicks": "user,item,time,country\n",
    "groceries": "customer,product,time,order\n",
    "ta_feng": '\ufeff"TRANSACTION_DT","CUSTOMER_ID","AGE_GROUP","PIN_CODE","PRODUCT_SUBCLASS","PRODUCT_ID","AMOUNT",'
    '"ASSET","SALES_PRICE"\n',
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_documented_log_becomes_rows(name: str, tmp_path: Path, ingest: Ingest) -> None:
    data = DataSpec.model_validate(CONFIGURATIONS[name])
    log = lines(name)
    assert data.source.path
    (tmp_path / data.source.path).write_text(HEADERS.get(name, "") + "\n".join(log), encoding="utf-8")
    found = ingest(data).counts()
    assert (found["events"], found["bad"]) == (len(log), {})
    assert sum(found["rows"].values()) >= 40
    assert set(CONFIGURATIONS) == {"clicks", "groceries", "shop", "movielens", "yoochoose", "ta_feng"}
