"""Tests of the differences between configurations."""

from __future__ import annotations

from components.training.spec import TrainerSpec
from pipeline.comparison.settings import differences


def test_only_keys_that_differ_are_listed_with_all_values() -> None:
    one = {"data": {"inputs": ["a"], "share": 1.0, "span": 3}, "trainer": {"model": {"hidden": 8}, "batch": 1}}
    two = {"data": {"inputs": ["a"], "share": 0.5, "span": 4}, "trainer": {"model": {"hidden": 8}, "batch": 1}}
    three = {"data": {"inputs": ["a"], "share": 1.0}, "trainer": {"model": {"units": 4}, "batch": 1}}
    found = {each.key: each.values for each in differences([one, two, three])}
    assert found == {
        "data.share": [1.0, 0.5, 1.0],
        "trainer.model.hidden": [8, 8, None],
        "trainer.model.units": [None, None, 4],
    }


def test_a_default_that_is_written_out_is_no_difference() -> None:
    short = TrainerSpec.model_validate({"model": {"hidden": 64}})
    long = TrainerSpec.model_validate({"model": {"kind": "shared_projection", "hidden": 64}, "batch": short.batch})
    assert not differences([{"trainer": each.model_dump(mode="json")} for each in (short, long)])
