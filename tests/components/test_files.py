"""Tests that a committed file or folder is complete or absent after a crash at any moment."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.files import commit, fenced, make_folder, move, remove_tree, sync, sync_tree, write_whole
from tests.components.crashes import Disk, Tree, disk_under
from tests.drawing import drawn


def steps(disk: Disk) -> list[str]:
    """Return the syncs and renames in order, without the random part of temporary names."""
    done = [moment for moment, *_ in disk.moments if not moment.startswith("before")]
    return [re.sub(r"\.[0-9a-f]{8}\.part", ".part", moment) for moment in done]


def whole(tree: Tree) -> Tree:
    """Return the files of a tree without temporary files."""
    return {name: content for name, content in tree.items() if not name.endswith(".part")}


@drawn(30)
@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3))
def test_a_file_is_old_or_new_after_a_crash_at_any_moment(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        path, before = Path(folder, "a", "b", "file"), None
        with disk_under(Path(folder), monkeypatch) as disk:
            for text in texts:
                disk.moments.clear()
                write_whole(path, text)
                assert disk.moments
                for moment, late, early in disk.moments:
                    for tree in (late, early):
                        assert whole(tree).get("a/b/file") in (before, text.encode()), moment
                before = text.encode()
                assert disk.after_crash() == {"a/b/file": before}


def test_a_file_is_synced_then_renamed_then_its_folder_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old").mkdir()
    with disk_under(tmp_path, monkeypatch) as disk:
        write_whole(tmp_path / "old" / "file", "a")
        assert steps(disk) == ["sync old/.file.part", "rename old/file", "sync old"]
        disk.moments.clear()
        write_whole(tmp_path / "new" / "deep" / "file", "b")
    assert steps(disk) == [
        *("sync new", "sync ."),
        *("sync new/deep/.file.part", "rename new/deep/file", "sync new/deep"),
    ]


def test_a_folder_is_complete_or_absent_after_a_crash_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk_under(tmp_path, monkeypatch) as disk:
        part = tmp_path / ".incoming"
        (part / "variables").mkdir(parents=True)
        for name in ("saved_model.pb", "variables/data"):
            (part / name).write_text(name)
        commit(part, tmp_path / "7")
        expected = {f"7/{name}": name.encode() for name in ("saved_model.pb", "variables/data")}
        for moment, *trees in disk.moments:
            for tree in trees:
                assert {name: tree[name] for name in tree if name.startswith("7/")} in ({}, expected), moment
        assert disk.after_crash() == expected


def test_a_moved_file_is_on_the_disk_once_its_tree_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    with disk_under(tmp_path, monkeypatch) as disk:
        place = root / "Node" / "examples" / "7"
        (place / "unfinished").mkdir(parents=True)
        (place / "unfinished" / "part").write_text("rows")
        move(str(place / "unfinished" / "part"), str(place / "Split-train" / "rows"))
        assert disk.after_crash() == {}
        assert disk.after_crash(early=True) == {"root/Node/examples/7/Split-train/rows": b""}
        sync_tree(place, root)
        assert disk.after_crash() == {"root/Node/examples/7/Split-train/rows": b"rows"}


def test_the_simulation_sees_a_rename_without_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with disk_under(tmp_path, monkeypatch) as disk:
        (tmp_path / "part").write_text("rows")
        (tmp_path / "part").rename(tmp_path / "file")
        sync(tmp_path)
        assert disk.after_crash() == {"file": b""}


def test_a_single_file_is_a_tree_and_an_object_store_needs_no_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk_under(tmp_path, monkeypatch) as disk:
        (tmp_path / "value").write_text("3")
        sync_tree(tmp_path / "value", tmp_path)
        assert disk.after_crash() == {"value": b"3"}
        disk.moments.clear()
        sync_tree("gs://bucket/folder", "gs://bucket")
        assert not disk.moments


def failing(number: int) -> Callable[[int], None]:
    def fsync(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


def test_a_failed_sync_names_the_file_and_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        write_whole(path, "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file", "old")]
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        sync_tree(tmp_path)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_only_a_folder_may_be_on_a_file_system_without_syncs(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    make_folder(tmp_path / "new" / "deep")
    assert (tmp_path / "new" / "deep").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file'"):
        sync(tmp_path / "file")


def test_a_vanished_file_and_a_link_to_nothing_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "temporary").touch()
    (tmp_path / "link").symlink_to("nothing")
    kept, synced = os.open, []

    def open_but_delete(path: Path, *arguments: Any) -> int:
        if path.name == "temporary":
            path.unlink()
        handle = kept(path, *arguments)
        synced.append(path.name)
        return handle

    monkeypatch.setattr(os, "open", open_but_delete)
    sync_tree(tmp_path)
    assert synced == ["file", tmp_path.name]


class Fenced(BaseException):
    """Exception of a fence."""


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_fenced_process_writes_nothing(allowed: int, tmp_path: Path) -> None:
    """Check a process that may not write from the start, or not any more when its file is complete."""
    left = allowed

    def check() -> None:
        nonlocal left
        if not left:
            raise Fenced
        left -= 1

    (tmp_path / "part").write_text("new")
    writes: list[Callable[[], object]] = [
        lambda: write_whole(tmp_path / "deep" / "file", "new"),
        *([lambda: commit(tmp_path / "part", tmp_path / "file")] if not allowed else []),
        *([lambda: move(str(tmp_path / "part"), str(tmp_path / "deep" / "file"))] if not allowed else []),
    ]
    for write in writes:
        left = allowed
        with fenced(check), pytest.raises(Fenced):
            write()
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["part"]
    write_whole(tmp_path / "file", "new")


def test_a_link_in_a_deleted_folder_deletes_nothing_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    for name in ("deleted", "linked"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "link").symlink_to(tmp_path / "linked")
    for name in ("deleted", "link"):
        remove_tree(str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["linked", "outside"]
    assert (tmp_path / "outside" / "file").exists()
    assert (tmp_path / "linked" / "below" / "link").exists()
