from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.once import Once


def _never(folder: Path) -> None:
    raise AssertionError(f"{folder} was made before")


def test_a_folder_is_made_once_and_is_the_same_for_all(tmp_path: Path) -> None:
    calls = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "file").write_text("text")

    processes = [Once(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(len(processes)) as pool:
        found = list(pool.map(lambda once: once.folder("name", make), processes))
    assert calls == [tmp_path / "name"]
    assert set(found) == {tmp_path / "name"}
    assert Once(tmp_path).folder("name", _never).joinpath("file").read_text() == "text"


def test_a_change_of_a_folder_is_found(tmp_path: Path) -> None:
    once = Once(tmp_path)
    folder = once.folder("name", lambda folder: (folder / "file").write_text("text"))
    once.check()
    (folder / "more").touch()
    with pytest.raises(AssertionError, match="name was changed"):
        once.check()
    (folder / "more").unlink()
    once.check()
    (folder / "file").write_text("other text")
    with pytest.raises(AssertionError, match="name was changed"):
        once.check()


def test_a_folder_that_could_not_be_made_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="half"):
        Once(tmp_path).folder("name", _half)
    assert [*Once(tmp_path).folder("name", lambda folder: None).iterdir()] == []


def _half(folder: Path) -> None:
    (folder / "half").touch()
    raise ValueError("half")
