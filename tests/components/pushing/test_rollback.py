"""Tests that a rollback publishes an earlier version again, and that it stays until a new model is pushed."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from components.pushing import records, versions
from tests.components.pushing.models import clock, model, weights


def _pushed(folder: Path, models: str) -> Path:
    """Push models with these weights as the versions 1, 2 and so on, and return the folder of the versions."""
    serving = folder / "serving"
    for number, name in enumerate(models):
        versions.push(model(folder, name), serving, clock, metrics={"recall_at_10": float(number)})
    return serving


def _rollback(serving: Path, version: int | None = None) -> int:
    return int(versions.rollback(serving, version, clock).name)


@pytest.mark.parametrize("links", [True, False])
def test_the_version_before_is_published_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def no_links(*names: str) -> None:
        raise OSError(errno.EPERM, "no links")

    serving = _pushed(tmp_path, "abc")
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    assert _rollback(serving) == 4
    assert versions.versions(serving) == [1, 2, 3, 4]
    assert versions.same_files(serving / "2", serving / "4")
    shared = (serving / "2/saved_model.pb").samefile(serving / "4/saved_model.pb")
    assert shared is links
    for older in "123":
        shutil.rmtree(serving / older)
    assert versions.same_files(serving / "4", model(tmp_path, "b"))


def test_the_new_version_has_a_record_of_its_own(tmp_path: Path) -> None:
    serving = _pushed(tmp_path, "abc")
    versions.rollback(serving, 1, lambda: 1_000.0)
    new, old = records.read(serving / "1000"), records.read(serving / "1")
    assert new
    assert old
    assert (new.repeats, new.metrics, new.digest) == (1, {"recall_at_10": 0.0}, old.digest)
    assert (new.pushed.timestamp(), old.pushed.timestamp(), old.repeats) == (1_000, 1, None)


def test_a_second_rollback_goes_further_back(tmp_path: Path) -> None:
    serving = _pushed(tmp_path, "abc")
    assert [weights(serving / str(_rollback(serving))) for _ in range(2)] == ["b", "a"]
    with pytest.raises(
        versions.RollbackError, match=r"no version before 1, .*\nVersions, newest first: 5, 4, 3, 2, 1$"
    ):
        _rollback(serving)
    assert weights(serving / str(_rollback(serving, 4))) == "b"
    record = records.read(serving / "6")
    assert record
    assert record.repeats == 2  # the version that version 4 repeats


def test_what_no_rollback_can_do(tmp_path: Path) -> None:
    with pytest.raises(versions.RollbackError, match="no model was pushed yet"):
        versions.rollback(tmp_path / "serving")
    serving = _pushed(tmp_path, "a")
    with pytest.raises(versions.RollbackError, match="has only version 1"):
        versions.rollback(serving)
    _pushed(tmp_path, "bc")
    with pytest.raises(versions.RollbackError, match=r"no version 23; did you mean '[23]'\?\nVersions, .*: 3, 2, 1$"):
        versions.rollback(serving, 23)
    with pytest.raises(versions.RollbackError, match="already see the model of version 3"):
        versions.rollback(serving, 3)
    _rollback(serving, 1)
    with pytest.raises(versions.RollbackError, match="already see the model of version 1"):
        versions.rollback(serving, 1)
    (serving / "2/saved_model.pb").unlink()
    with pytest.raises(versions.RollbackError, match=r"2 is no SavedModel: it has no saved_model\.pb"):
        versions.rollback(serving, 2)
    assert versions.versions(serving) == [1, 2, 3, 4]


@pytest.mark.parametrize("records_of_pushes", [True, False])
@pytest.mark.parametrize("deleted", [True, False])
def test_a_repeated_push_does_not_undo_a_rollback(tmp_path: Path, records_of_pushes: bool, deleted: bool) -> None:
    serving = _pushed(tmp_path, "abc")
    if not records_of_pushes:  # as of an older release
        for version in "123":
            (serving / version / records.PLACE).unlink()
    _rollback(serving)
    if deleted:
        shutil.rmtree(serving / "3")
    before = versions.versions(serving)
    with pytest.raises(versions.Withdrawn, match="a rollback has replaced this model by version 2"):
        versions.push(model(tmp_path, "c"), serving, clock)
    assert versions.push(model(tmp_path, "b"), serving, clock).name == "4"
    assert versions.versions(serving) == before
    assert versions.push(model(tmp_path, "d"), serving, clock).name == "5"
    assert versions.push(model(tmp_path, "c"), serving, clock).name == "6"  # The new model has ended the rollback.


def test_all_models_after_the_repeated_one_are_withdrawn(tmp_path: Path) -> None:
    serving = _pushed(tmp_path, "abc")
    _rollback(serving)
    _rollback(serving)
    for name in "bc":
        with pytest.raises(versions.Withdrawn):
            versions.push(model(tmp_path, name), serving, clock)
    _rollback(serving, 3)
    assert versions.push(model(tmp_path, "c"), serving, clock).name == "6"  # A rollback to it ends its withdrawal.


def test_an_interrupted_rollback_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*names: str) -> None:
        raise KeyboardInterrupt

    serving = _pushed(tmp_path, "ab")
    monkeypatch.setattr(os, "link", interrupt)
    with pytest.raises(KeyboardInterrupt):
        versions.rollback(serving)
    assert sorted(path.name for path in serving.iterdir()) == ["1", "2"]


def test_no_rollback_is_visible_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving, fsync = _pushed(tmp_path, "ab"), os.fsync
    synced = []

    def look(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").readlink().name, versions.versions(serving)))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", look)
    _rollback(serving)
    assert {name for name, _ in synced[:-1]} >= {"saved_model.pb", "variables", "push.json", "assets.extra"}
    assert all(visible == [1, 2] for _, visible in synced[:-1])
    assert synced[-1] == ("serving", [1, 2, 3])
