"""Tests that old versions are deleted, and that no version is deleted that is still needed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.pushing import records, versions
from tests.components.pushing.models import clock, model, weights
from tests.drawing import drawn


@drawn(20)
@given(st.lists(st.sampled_from(["push", "rollback", "prune"]), max_size=10), st.integers(2, 4))
def test_what_is_needed_stays(steps: list[str], keep: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        serving = Path(folder, "serving")
        for number, name in enumerate(["push", "push", *steps, "prune"]):
            before = versions.versions(serving)
            if name == "push":
                versions.push(model(Path(folder), str(number)), serving, clock)
            elif name == "rollback":
                versions.rollback(serving, before[-2], clock)
            else:
                contents = {version: weights(serving / str(version)) for version in before}
                found = [record for version in before if (record := records.read(serving / str(version)))]
                targets = {*[record.repeats for record in found if record.repeats][-1:]} & {*before}
                deleted = versions.prune(serving, keep)
                left = versions.versions(serving)
                assert sorted([*left, *deleted]) == before
                assert set(before[-keep:]) <= set(left) <= {*before[-keep:], *targets}
                assert targets <= set(left)
                assert {version: weights(serving / str(version)) for version in left}.items() <= contents.items()
                assert {path.name for path in serving.iterdir()} == {*map(str, left)}


def test_the_newest_version_and_the_one_before_it_always_stay(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep=1"):
        versions.prune(tmp_path, 1)
    assert versions.prune(tmp_path, 2) == []


def test_the_target_of_the_last_rollback_stays_and_that_of_an_earlier_one_does_not(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    for name in "ab":
        versions.push(model(tmp_path, name), serving, clock)
    versions.rollback(serving, 1, clock)
    for name in "cd":
        versions.push(model(tmp_path, name), serving, clock)
    versions.rollback(serving, 4, clock)
    assert versions.prune(serving, 2) == [1, 2, 3]
    assert [weights(serving / str(version)) for version in (4, 5, 6)] == ["c", "d", "c"]
