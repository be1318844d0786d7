"""Tests that a reader of the serving directory sees only complete versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.pushing import records, versions
from tests.components.crashes import disk_under
from tests.drawing import drawn


def _model(folder: Path, weights: bytes = b"1") -> Path:
    model = folder / f"model-{len(list(folder.iterdir()))}"
    for name, content in {
        "saved_model.pb": b"graph",
        "variables/variables.data-00000-of-00001": weights,
        "assets/labels": b"the\nof\n",
    }.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(content)
    return model


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_versions_ascend_and_stay(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    pushed = [versions.push(_model(tmp_path, b"%d" % i), serving, clock=lambda: 1_000.0) for i in range(3)]
    assert [path.name for path in pushed] == ["1000", "1001", "1002"]
    assert versions.versions(serving) == [1_000, 1_001, 1_002]
    assert [(path / "variables/variables.data-00000-of-00001").read_bytes() for path in pushed] == [b"0", b"1", b"2"]
    assert sorted(_names(serving)) == ["1000", "1001", "1002"]


@drawn(15)
@given(st.lists(st.integers(0, 2**33), min_size=1, max_size=5))
def test_a_version_is_greater_than_all_before_it_whatever_the_clock_says(times: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        serving = Path(folder, "serving")
        for index, now in enumerate(times):
            before = versions.versions(serving)
            pushed = versions.push(_model(Path(folder), b"%d" % index), serving, clock=lambda now=now: float(now))
            assert all(int(pushed.name) > version for version in before)
        assert len(versions.versions(serving)) == len(times)


def test_the_same_model_twice_is_one_version(tmp_path: Path) -> None:
    first = versions.push(_model(tmp_path), tmp_path / "serving")
    assert versions.push(_model(tmp_path), tmp_path / "serving") == first
    other = versions.push(_model(tmp_path, b"2"), tmp_path / "serving")
    assert versions.push(_model(tmp_path), tmp_path / "serving") > other  # the first model again is a new version


def test_an_interrupted_copy_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied, copy = [], shutil.copyfile

    def fail_at_third(source: str, target: str) -> None:
        copied.append(target)
        if len(copied) == 3:
            raise KeyboardInterrupt
        copy(source, target)

    first = versions.push(_model(tmp_path), tmp_path / "serving")
    model = _model(tmp_path, b"2")
    monkeypatch.setattr(shutil, "copyfile", fail_at_third)
    with pytest.raises(KeyboardInterrupt):
        versions.push(model, tmp_path / "serving")
    assert len(copied) == 3
    assert _names(tmp_path / "serving") == [first.name]


def test_no_version_is_visible_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, serving = _model(tmp_path), tmp_path / "serving"
    seen, copy, fsync = [], shutil.copyfile, os.fsync

    def copy_and_look(source: str, target: str) -> None:
        copy(source, target)
        seen.append(versions.versions(serving))

    def sync_and_look(handle: int) -> None:
        fsync(handle)
        seen.append(versions.versions(serving))

    monkeypatch.setattr(shutil, "copyfile", copy_and_look)
    monkeypatch.setattr(os, "fsync", sync_and_look)
    pushed = versions.push(model, serving)
    # Three files are copied; three files, the record and four folders are synced; after the rename, the directory.
    *before, after = seen
    assert (any(before), after) == (False, [int(pushed.name)])
    assert len(before) >= 3 + 4 + 4
    assert versions.same_files(model, pushed)


def test_a_version_is_whole_or_absent_after_a_crash_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [_model(tmp_path, b"%d" % number) for number in range(2)]
    serving = tmp_path / "serving"
    with disk_under(tmp_path, monkeypatch) as disk:
        for number, model in enumerate(models, 1):
            pushed = versions.push(model, serving, clock=lambda: 7.0)
            expected = {f"serving/{pushed.name}/{path.relative_to(model)}" for path in model.rglob("*")}
            expected = {name for name in expected if (tmp_path / name).is_file()}
            expected.add(f"serving/{pushed.name}/{records.PLACE}")
            for moment, *trees in disk.moments:
                for tree in trees:
                    found = {name for name in tree if name.startswith(f"serving/{pushed.name}/")}
                    assert found in (set(), expected), moment
                    assert all(tree[name] == (tmp_path / name).read_bytes() for name in found), moment
            assert expected <= disk.after_crash().keys()
            assert len({name.split("/")[1] for name in disk.after_crash() if name.startswith("serving/")}) == number
            disk.moments.clear()


def test_a_killed_push_is_cleared_by_the_next(tmp_path: Path) -> None:
    serving = tmp_path / "serving"
    model = _model(tmp_path)
    program = (
        "import os, shutil, sys; from pathlib import Path; from components.pushing import versions\n"
        "copy = shutil.copyfile\n"
        "def die(source, target): copy(source, target); os.kill(os.getpid(), 9)\n"
        "shutil.copyfile = die\n"
        "versions.push(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    assert subprocess.run([sys.executable, "-c", program, model, serving], check=False).returncode == -9
    assert versions.versions(serving) == []
    assert len(_names(serving)) == 1
    pushed = versions.push(model, serving)
    assert _names(serving) == [pushed.name]
    assert versions.same_files(model, pushed)


def test_what_is_no_model_is_not_pushed(tmp_path: Path) -> None:
    model = _model(tmp_path)
    (model / "saved_model.pb").unlink()
    with pytest.raises(FileNotFoundError, match=r"saved_model\.pb"):
        versions.push(model, tmp_path / "serving")
    assert not (tmp_path / "serving").exists()


def test_other_names_are_no_versions(tmp_path: Path) -> None:
    for name in ("7", "12", ".incoming-3", "latest", "²"):
        (tmp_path / name).mkdir()
    (tmp_path / "99").write_text("a file")
    assert versions.versions(tmp_path) == [7, 12]


def test_a_card_is_published_with_its_model_and_replaced_alone(tmp_path: Path) -> None:
    card, page = records.CARDS
    first = versions.push(_model(tmp_path), tmp_path / "serving", cards={card: "one", page: "<p>one"})
    assert (first / card).read_text() == "one"
    assert versions.push(_model(tmp_path), tmp_path / "serving", cards={card: "two", page: "<p>two"}) == first
    assert [(first / name).read_text() for name in (card, page)] == ["two", "<p>two"]
    versions.push(_model(tmp_path, b"2"), tmp_path / "serving", cards={card: "three"})
    again = versions.rollback(tmp_path / "serving")
    assert (again / card).read_text() == "two"
    assert versions.push(_model(tmp_path), tmp_path / "serving", cards={card: "four"}) == again
    assert (first / card).read_text() == "two", "the card of the older version stays, though its file was linked"
