"""Tests that a link in a shared folder neither publishes nor deletes a file outside the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.pushing import versions
from tests.components.pushing.models import clock, model


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "private").write_text("private")
    return folder


@pytest.mark.parametrize("target", ["private", ""])
def test_a_model_with_a_link_to_a_place_outside_is_not_published(tmp_path: Path, outside: Path, target: str) -> None:
    serving = tmp_path / "serving"
    for name in "ab":
        versions.push(model(tmp_path, name), serving, clock)
    for folder in (model(tmp_path, "c"), serving / "1"):
        (folder / "assets").mkdir()
        (folder / "assets" / "labels").symlink_to(outside / target)
    with pytest.raises(versions.LinkOutside, match="assets/labels is a link to a place outside"):
        versions.push(model(tmp_path, "c"), serving, clock)
    with pytest.raises(versions.LinkOutside, match="serving/1/assets/labels is a link"):
        versions.rollback(serving, 1, clock)
    assert sorted(path.name for path in serving.iterdir()) == ["1", "2"]


def test_a_link_inside_a_model_is_published(tmp_path: Path) -> None:
    (model(tmp_path, "a") / "copy").symlink_to("saved_model.pb")
    assert (versions.push(model(tmp_path, "a"), tmp_path / "serving", clock) / "copy").read_text() == "graph"


def test_links_in_place_of_versions_delete_nothing_outside(tmp_path: Path, outside: Path) -> None:
    serving = tmp_path / "serving"
    serving.mkdir()
    (serving / "0").symlink_to(outside)
    (serving / f"{versions.STAGING_PREFIX}left").symlink_to(outside)
    for name in "ab":
        versions.push(model(tmp_path, name), serving, clock)
    assert versions.prune(serving, 2) == [0]
    assert sorted(path.name for path in serving.iterdir()) == ["1", "2"]
    assert (outside / "private").read_text() == "private"
