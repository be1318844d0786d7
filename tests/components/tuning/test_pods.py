"""Tests of pods that search side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.training.devices.rendezvous import Rendezvous
from components.tuning import pods
from components.tuning.pods import TunerPods, call_others
from components.tuning.spec import TunerSpec

SPEC = TunerSpec(trials=3, time="10m")
ARGUMENTS = SimpleNamespace(train_files=["a"], custom_config={"trainer": "{}"})


def test_a_search_outside_of_pods_is_alone() -> None:
    assert call_others(ARGUMENTS, SPEC, "searches") == 1


def test_the_other_pod_gets_the_search_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(pods, "search", lambda *arguments: found.append(arguments))
    # Each waits while the other is at work: the second pod answers, and starts when the first has published it.
    second = Rendezvous(str(tmp_path), 2, address="b", wait=lambda _: next(first_goes_on, None))
    first = Rendezvous(str(tmp_path), 2, address="a", wait=lambda _: second_answers())
    answered: list[bool] = []

    def second_answers() -> None:
        if not answered:
            answered.append(True)
            TunerPods(second).follow(1)

    def publish() -> Iterator[None]:
        (answer,) = tmp_path.glob("*/1.json")
        hosts = ["a:1", json.loads(answer.read_text())["host"]]
        answer.with_name("start.json").write_text(json.dumps({"hosts": hosts}))
        yield

    first_goes_on = publish()
    assert TunerPods(first).lead(lambda: call_others(ARGUMENTS, SPEC, "searches") - 2) == 0
    ((arguments, spec, folder, worker, workers),) = found
    assert (arguments, spec, folder, worker, workers) == (ARGUMENTS, SPEC, "searches", 1, 2)
    TunerPods(second).follow(1)
    assert len(found) == 1, "nothing remains to search"
