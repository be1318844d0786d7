"""Tests of the injection of faults: the right change fails, and a loss is noticed."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from pathlib import Path
from random import Random

import pytest

from tests.faults import comparison, job, recording, shim
from tests.faults.recording import Fault, unsynced
from tests.faults.shim import Arms, Change
from tests.faults.table import markdown, seen
from tests.faults.trial import Outcome, of_json
from tests.forks import ForkServer

needs_compiler = pytest.mark.skipif(not shim.compiler(), reason="no C compiler")


def changes(root: str, record: str, name: str, nth: int, fault: str, part: int) -> None:
    """Change files, in a child process that has loaded the library."""
    import os

    os.setsid()
    arms = Arms(root, record, Change(name, nth) if name else None, fault, part)
    folder = Path(root, "12")
    folder.mkdir()
    arms.take()
    (folder / "0abcdef0").write_text("first")
    for text in ("one", "two"):
        part_file = folder / f"{text}.part"
        with part_file.open("wb") as file:
            file.write(text.encode() * 100)
            file.flush()
            if text == "one":
                os.fsync(file.fileno())
        part_file.replace(folder / text)
    (folder / "0abcdef0").unlink()
    with sqlite3.connect(folder / "store") as store:
        store.execute("CREATE TABLE numbers (number)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("shim")
    with ForkServer({"LD_PRELOAD": str(shim.build(folder))}) as server:
        yield server


@pytest.fixture
def change(server: ForkServer, tmp_path: Path):
    def run(name: str = "", nth: int = 0, fault: str = "", part: int = 0) -> tuple[int, Path]:
        root = tmp_path / "root"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        for file in ("record", "record.state"):
            (tmp_path / file).unlink(missing_ok=True)
        log = tmp_path / "log"
        started = server.start(changes, str(root), str(tmp_path / "record"), name, nth, fault, part, out=log, err=log)
        return started.result(), tmp_path / "record"

    return run


@needs_compiler
def test_all_changes_are_recorded(change, tmp_path):
    code, record = change()
    found = [(event.change.name, event.change.nth) for event in recording.events(record)]
    assert code == 0
    assert found[:10] == [
        ("create #/#", 1), ("write #/#", 1),
        ("create #/one.part", 1), ("write #/one.part", 1), ("sync #/one.part", 1), ("rename #/one", 1),
        ("create #/two.part", 1), ("write #/two.part", 1), ("rename #/two", 1),
        ("unlink #/#", 1),
    ]  # fmt: skip
    assert {("create #/store", 1), ("sync #/store-journal", 1), ("write #/store", 1)} <= set(found[10:])
    assert unsynced(record) == [tmp_path / "root" / "12" / "two"]
    count, seconds = recording.sync_times(record)[False]
    assert count >= 1
    assert 0 < seconds < 60


def test_syncs_at_the_same_time_count_once(tmp_path):
    record = tmp_path / "record"
    syncs = [("#/a", 100, 1000), ("#/b", 50, 1020), ("#/c", 100, 1050), ("#/d", 10, 2000), ("metadata.sqlite", 7, 1000)]
    record.write_text("".join(f"took\ttook {name}\t{length}\t/x\t{start}\n" for name, length, start in syncs))
    assert recording.sync_times(record) == {False: (4, 160e-6), True: (1, 7e-6)}


@needs_compiler
def test_a_process_is_killed_before_a_change(change, tmp_path):
    code, record = change("rename #/two", 1, "kill")
    assert code == -signal.SIGKILL
    assert sorted(path.name for path in (tmp_path / "root" / "12").iterdir()) == ["0abcdef0", "one", "two.part"]
    assert [event.change.name for event in recording.events(record) if event.fault] == ["rename #/two"]


@needs_compiler
def test_a_write_is_torn(change, tmp_path):
    code, _ = change("write #/two.part", 1, "torn", 500)
    assert code == -signal.SIGKILL
    assert (tmp_path / "root" / "12" / "two.part").read_text() == "two" * 50


@needs_compiler
def test_a_full_disk_stays_full(change, tmp_path):
    code, record = change("create #/two.part", 1, "ENOSPC")
    assert code == 1
    assert "No space left on device" in (tmp_path / "log").read_text()
    assert sorted(path.name for path in (tmp_path / "root" / "12").iterdir()) == ["0abcdef0", "one"]
    assert sum(event.fault for event in recording.events(record)) == 1


@needs_compiler
def test_an_input_output_error(change, tmp_path):
    code, _ = change("sync #/one.part", 1, "EIO")
    assert code == 1
    assert "Input/output error" in (tmp_path / "log").read_text()


@needs_compiler
def test_a_change_that_does_not_happen(change):
    code, record = change("write #/one.part", 2, "kill")
    assert code == 0
    assert not any(event.fault for event in recording.events(record))


def test_lost_contents_are_a_beginning_of_the_file(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    recording.lose([file], Random(1))
    assert b"0123456789".startswith(file.read_bytes())
    assert file.stat().st_size < 10


def test_faults_are_drawn_by_part_and_name():
    segments = {
        "A": [Change("write x", n) for n in range(1, 1000)] + [Change("rename y", 1)],
        "B": [Change("sync z", 1)],
    }
    drawn = [recording.draw(segments, Random(n)) for n in range(400)]
    assert 150 < sum(fault.segment == "B" for fault in drawn) < 250
    assert sum(fault.change.name == "rename y" for fault in drawn) > 30
    assert all(fault.change.kind == "write" for fault in drawn if fault.kind == "torn" and fault.segment == "A")
    assert {fault.kind for fault in drawn} == {*shim.KILLS, *shim.ERRORS}


def figure(root: Path, nll: float) -> None:
    summary = {"metrics": {"nll": nll}, "slices": [], "blessed": True}
    (root / "report/summary.json").write_text(json.dumps(summary))


@pytest.fixture
def roots(tmp_path):
    """Two equal roots of small runs."""
    reference = tmp_path / "reference"
    for name in ("serving/17/assets/labels", "serving/17/saved_model.pb", "serving/17/variables/variables.index"):
        (reference / name).parent.mkdir(parents=True, exist_ok=True)
        (reference / name).write_text("content " * 100)
    (reference / "serving/17/assets.extra").mkdir()
    (reference / "serving/17/assets.extra/push.json").write_text('{"time": 1}')
    (reference / "report").mkdir()
    figure(reference, 4.5)
    with sqlite3.connect(reference / "metadata.sqlite") as store:
        store.execute("CREATE TABLE Execution (id, type_id, last_known_state)")
        store.execute("CREATE TABLE Type (id, name)")
        store.execute("INSERT INTO Type VALUES (1, 'Trainer')")
        store.execute("INSERT INTO Execution VALUES (1, 1, 3)")
    shutil.copytree(reference, tmp_path / "root")
    return tmp_path / "root", reference


def test_equal_roots_do_not_differ(roots):
    root, reference = roots
    (root / "serving/17").rename(root / "serving/18")
    (root / "serving/18/assets.extra/push.json").write_text('{"time": 2}')
    assert comparison.differences(root, reference) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "serving/17/assets/labels").write_text("other"), "labels of version 17 is not whole"),
        (lambda root: (root / "serving/17/variables/variables.index").write_text(""), "variables.index of version 17"),
        (lambda root: (root / "serving/17/saved_model.pb").unlink(), "saved_model.pb of version 17 is not whole"),
        (lambda root: shutil.copytree(root / "serving/17", root / "serving/18"), "2 pushed versions: 17, 18"),
        (lambda root: (root / "x.part").write_text(""), "left over: x.part"),
        (lambda root: figure(root, 4.6), "metrics.nll: 4.6 instead of 4.5"),
        (lambda root: sqlite3.connect(root / "metadata.sqlite", isolation_level=None).execute(
            "UPDATE Execution SET last_known_state = 2"), "execution 1 (Trainer) is running"),
    ],
    ids=["label", "index", "graph", "version", "temporary", "figure", "running"],
)  # fmt: skip
def test_damage_is_noticed(roots, damage, message):
    root, reference = roots
    damage(root)
    assert any(message in found for found in comparison.differences(root, reference))


def test_the_table_counts_faults():
    fault = Fault("Trainer", "kill", Change("write x", 1), 0)
    outcomes = [
        Outcome(0, fault, True, -9, "", []),
        Outcome(1, fault, True, -9, "", ["lost"]),
        Outcome(2, fault, False, 0, "", []),
    ]
    assert [of_json(json.loads(json.dumps(outcome.as_json()))) for outcome in outcomes] == outcomes
    table = markdown(outcomes).splitlines()
    assert table[2] == "| SIGKILL to the process group before a change | 2 | 2 | 0 | 1 |"
    assert table[-1] == "1 faults were not injected, because their change did not happen."


def test_the_most_frequent_messages_come_first():
    fault = Fault("Trainer", "ENOSPC", Change("write x", 1), 0)
    said = (
        "BigVocab words -> {0}\n  Trainer  failed\n\nTrainer failed. Full: {0}/{1}; 5 MB free. Free some space.\nLog: x"
    )
    outcomes = [
        Outcome(0, fault, True, 1, "bigvocab: Full: /a/runs/words/logs/1.log\n", []),
        *(Outcome(n, fault, True, 1, said.format("/a/runs/words", f"model/{n}"), []) for n in (1, 2)),
        Outcome(3, fault, True, 0, "bigvocab: no error", []),
    ]
    assert seen(outcomes) == (
        "2 x\nTrainer failed. Full: ROOT/model/1; 5 MB free. Free some space.\n\n1 x\nbigvocab: Full: ROOT/logs/1.log"
    )
    assert seen(outcomes, 1).startswith("2 x")


def test_parts_of_a_run_are_named_as_its_nodes():
    from pipeline.nodes import node_names

    assert not {job.START, "Start"} & set(node_names())
    assert job.REPORT in node_names()
