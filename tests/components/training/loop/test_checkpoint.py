"""Tests of complete, damaged and outdated checkpoints."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.files import fenced
from components.training.loop.checkpoint import Checkpoints, TrainingState, damage, folders, remove_abandoned, saves
from tests.components.crashes import disk_under


def training(folder: Path) -> tuple[keras.Model, Checkpoints]:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build(model.trainable_variables)
    return model, Checkpoints(str(folder), model, optimizer.variables)


def fill(model: keras.Model, value: float) -> None:
    for variable in model.weights:
        variable.assign(np.full(variable.shape, value))


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Write checkpoints after 10, 20 and 30 steps, of weights that are all 1, 2 and 3.

    The best weights are those of 1.
    """
    model, checkpoints = training(tmp_path)
    for number in (1, 2, 3):
        fill(model, number)
        if number == 1:
            checkpoints.keep_best()
        checkpoints.save(
            TrainingState(step=10 * number, validations=[{"nll": 1.5}], best=0, running={"loss": [0.1, 3]})
        )
    return tmp_path


def restored(folder: Path) -> tuple[float, TrainingState | None, Checkpoints]:
    model, checkpoints = training(folder)
    fill(model, 0)
    state = checkpoints.restore()
    return float(model.weights[0].numpy()[0, 0]), state, checkpoints


def file_of(folder: Path, step: int, end: str) -> Path:
    return next(folder.glob(f"step-*{step}.{end}*"))


def test_the_last_save_is_taken_up_and_the_one_before_is_kept(three: Path) -> None:
    assert [Path(prefix).name for prefix in saves(str(three))] == ["step-0000000020", "step-0000000030"]
    value, state, checkpoints = restored(three)
    assert value == 3
    assert state == TrainingState(step=30, validations=[{"nll": 1.5}], best=0, running={"loss": [0.1, 3]})
    assert all((weight == 1).all() for weight in checkpoints.best_weights())


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip(file: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "end", "said"),
    [
        (cut, "data", "damaged"),
        (flip, "data", "damaged"),
        (Path.unlink, "data", "damaged"),
        (cut, "index", "damaged"),
        (Path.unlink, "index", "never finished"),
    ],
)
def test_a_spoilt_save_is_said_and_the_one_before_taken(three: Path, capsys, spoil, end: str, said: str) -> None:
    spoil(file_of(three, 30, end))
    (three / "step-0000000040_temp").mkdir()
    (three / "step-0000000040_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    value, state, _ = restored(three)
    assert value == 2
    assert state
    assert state.step == 20
    err = capsys.readouterr().err
    assert f"step-0000000030: this checkpoint {'is' if said == 'damaged' else 'was'} {said}" in err
    assert "step-0000000040: this checkpoint was never finished" in err
    assert {path.name.split(".")[0] for path in three.iterdir()} == {"step-0000000020"}


def test_nothing_whole_is_a_new_start(three: Path) -> None:
    for step in (20, 30):
        cut(file_of(three, step, "index"))
    value, state, _ = restored(three)
    assert (value, state) == (0, None)
    assert not list(three.iterdir())


def test_a_damaged_save_names_its_fault(three: Path) -> None:
    prefix = str(file_of(three, 30, "index")).removesuffix(".index")
    assert damage(prefix) is None
    flip(file_of(three, 30, "data"))
    assert damage(prefix)


def test_a_checkpoint_is_on_the_disk_before_an_older_one_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoints" / "key"
    model, checkpoints = training(folder)
    deleted, delete = [], Checkpoints._delete_but

    def look_and_delete(self: Checkpoints, kept: Sequence[str]) -> None:
        tree = disk.after_crash()
        for path in folder.iterdir():
            assert tree[str(path.relative_to(tmp_path))] == path.read_bytes()
        before = set(folder.iterdir())
        delete(self, kept)
        deleted.extend(before - set(folder.iterdir()))

    monkeypatch.setattr(Checkpoints, "_delete_but", look_and_delete)
    with disk_under(tmp_path, monkeypatch) as disk:
        for number in (1, 2, 3):
            fill(model, number)
            checkpoints.save(TrainingState(step=number))
    assert {path.name.split(".")[0] for path in deleted} == {"step-0000000001"}
    assert len(list(folder.iterdir())) == 4


def test_abandoned_trainings_go_but_not_the_latest_nor_what_may_be_at_work(tmp_path: Path) -> None:
    day, now = 86_400, time.time()
    for name, age in {"present": 9, "old": 5, "older": 6, "recent": 2, "later": 3, "at_work": 0.1, "too": 0.2}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "step-1.index").touch()
        for path in (tmp_path / name / "step-1.index", tmp_path / name):
            os.utime(path, (now - age * day, now - age * day))
    assert {Path(path).name for path in remove_abandoned(str(tmp_path), "present")} == {
        "old", "older", "recent", "later",
    }  # fmt: skip
    (tmp_path / "at_work" / "step-1.index").unlink()
    for name in ("late", "latest"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (now - 2 * day, now - 2 * day))
    for name in ("at_work", "too"):
        os.utime(tmp_path / name, (now - 3 * day, now - 3 * day))
    for path in (tmp_path / "too").iterdir():
        os.utime(path, (now, now))
    removed = {Path(path).name for path in remove_abandoned(str(tmp_path), "present")}
    assert "too" not in removed, "a file in it has just been written"
    assert "at_work" in removed
    assert (tmp_path / "present").exists()


def test_no_folder_has_nothing_to_remove(tmp_path: Path) -> None:
    assert remove_abandoned(str(tmp_path / "none"), "present") == []


class Fenced(BaseException):
    """Exception of a fence."""


@pytest.mark.parametrize("allowed", range(4))
def test_a_process_that_may_not_write_any_more_leaves_no_checkpoint(allowed: int, three: Path) -> None:
    """Check a loss of the lease before each of the checks of a save."""
    before = {path.name: path.read_bytes() for path in three.iterdir()}
    _, checkpoints = training(three)
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks > allowed:
            raise Fenced

    with fenced(check), pytest.raises(Fenced):
        checkpoints.save(TrainingState(step=40))
    assert checks == allowed + 1
    assert all(damage(prefix) is None for prefix in saves(str(three)))
    assert (str(three / "step-0000000040") in saves(str(three))) == (allowed == 3)
    after = {path.name: path.read_bytes() for path in three.iterdir()}
    assert before.items() <= after.items()
    assert {name.partition(".")[2] for name in after.keys() - before.keys()} <= {"index", "data-00000-of-00001"}
    with fenced(check), pytest.raises(Fenced):
        checkpoints.remove()


def test_a_temporary_folder_of_tensorflow_does_not_remain(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, checkpoints = training(three)
    write = tf.train.Checkpoint.write

    def write_and_leave(self: tf.train.Checkpoint, prefix: str) -> str:
        Path(f"{prefix}_temp").mkdir(parents=True)
        return write(self, prefix)

    monkeypatch.setattr(tf.train.Checkpoint, "write", write_and_leave)
    checkpoints.save(TrainingState(step=40))
    assert str(three / "step-0000000040") in saves(str(three))
    assert not [path for path in three.iterdir() if path.is_dir()]


def test_two_executions_never_write_the_same_checkpoints(tmp_path: Path) -> None:
    assert folders(str(tmp_path), "key", "7") == (f"{tmp_path}/key", [])

    store = "ram://two_executions/checkpoints"

    def of(execution: str) -> tuple[keras.Model, Checkpoints, str]:
        own, others = folders(store, "key", execution)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
        return model, Checkpoints(own, model, [], others=others), own

    model, first, own = of("7")
    for step in (10, 20):
        fill(model, step)
        first.save(TrainingState(step=step))
    model, second, other = of("8")
    state = second.restore()
    assert state
    assert (state.step, float(model.weights[0].numpy()[0, 0])) == (20, 20)
    second.save(TrainingState(step=25))
    assert [Path(prefix).name for prefix in saves(own)] == ["step-0000000010", "step-0000000020"]
    assert [Path(prefix).name for prefix in saves(other)] == ["step-0000000025"]
    model, again, _ = of("7")
    state = again.restore()
    assert state
    assert state.step == 20
