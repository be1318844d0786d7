"""Tests of the disk space that a run foresees."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from components import storage
from components.node import Space
from pipeline.cli import main
from pipeline.config.loading import load
from pipeline.execution import space
from pipeline.execution.space import Forecast, NotEnoughSpace
from pipeline.paths import Paths

MB = 1_000_000
DiskUsage = namedtuple("DiskUsage", "f_frsize f_bavail f_blocks f_files f_favail f_flag")
Free = Callable[[int], None]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    """Return a function that sets the free space of all file systems, in bytes."""

    def to(size: int) -> None:
        usage = DiskUsage(1000, size // 1000, 10**9, 10**6, 10**6, 0)
        monkeypatch.setattr(storage.os, "statvfs", lambda _: usage)

    return to


def test_the_forecast_of_the_default_run_is_the_measured_space() -> None:
    """Compare with the sizes that `bigvocab run --quick` wrote, in MB."""
    found = space.forecast(load(quick=True)).spaces
    measured = {
        "ExampleGen": (1.88, 5.11),
        "Transform": (1.36, 2.33),
        "Baselines": (0.15, 0.15),
        "Trainer": (502.7, 1_426.3),
        "Pusher": (267.3, 267.3),
    }
    assert {name for name, space in found.items() if space.most} == measured.keys()
    for name, (kept, most) in measured.items():
        assert 0.5 < found[name].kept / (kept * MB) < 2, name
        assert 0.5 < found[name].most / (most * MB) < 2, name


def test_the_forecast_of_short_rows_is_the_measured_space(tmp_path: Path) -> None:
    """Compare with the sizes that a run on 200,000 rows of two words wrote, in MB."""
    rows = [f"the,w{n % 1000:04},1946,1940s,word{n % 50:03}\n" for n in range(20_000)]
    file = tmp_path / "rows.csv"
    file.write_text("before,last,year,decade,word\n" + "".join(rows))
    (tmp_path / "short.yaml").write_text(
        "name: short\n"
        "data: {shape: labelled, source: {kind: csv, path: rows.csv}, inputs: [before, last], label: word, "
        "tokenizer: none, features: {year: {kind: number}}, slices: [decade]}\n"
    )
    found = space.forecast(load(str(tmp_path / "short.yaml"))).spaces
    measured = {"ExampleGen": (0.53, 2.96), "Transform": (0.36, 0.43), "Baselines": (0.06, 0.06)}
    for name, (kept, most) in measured.items():
        assert 0.5 < found[name].kept / (kept * MB) < 2, name
        assert 0.5 < found[name].most / (most * MB) < 2, name


def test_the_outputs_of_earlier_nodes_stay() -> None:
    found = Forecast({"A": Space(3, 10), "B": Space(5), "C": Space(1, 7)})
    assert found.most == 16
    assert Forecast({"A": Space(3, 10), "B": Space(5)}).most == 13
    assert found.without(["B"]).most == 13
    assert found.least == 8
    assert Forecast({"A": Space(30), "B": Space(500, sure=False)}).least == 15
    assert Forecast({}).most == 0


def test_a_run_that_cannot_fit_is_refused_in_a_line(
    free: Free, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    free(400 * MB)
    assert main(["run", "--quick", "--root", str(tmp_path / "runs")]) == 1
    out, err = capfd.readouterr()
    assert out == f"BigVocab sotu -> {tmp_path}/runs\n"
    assert err.startswith("bigvocab: this run needs about 1.4 GB of disk space, 400.0 MB free of ")
    assert err.endswith(f" in {tmp_path}/runs. Free some space, or choose another --root.\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("size", "warned"), [(1_300, True), (1_500, True), (3_000, False)])
def test_a_run_that_may_not_fit_is_warned_of(size: int, warned: bool, free: Free, tmp_path: Path) -> None:
    free(size * MB)
    line = space.check(Forecast({"Trainer": Space(500 * MB, 900 * MB)}), Paths(str(tmp_path)))
    assert bool(line) == warned
    if warned:
        assert line.startswith("This run needs about 1.4 GB of disk space, 1.")
        assert line.endswith("free of 1.0 TB in " + f"{tmp_path}: space may run out.")


def test_nodes_with_outputs_and_checkpoints_need_nothing(free: Free, tmp_path: Path) -> None:
    found, paths = Forecast({"Trainer": Space(500 * MB), "Pusher": Space(10 * MB)}), Paths(str(tmp_path))
    paths.prepare()
    free(100 * MB)
    logs = tmp_path / "artifacts/Trainer/model_run/3"
    logs.mkdir()
    (logs / "events").write_bytes(b"1")
    with pytest.raises(NotEnoughSpace):
        space.check(found, paths)
    model = tmp_path / "artifacts/Trainer/model/3"
    model.mkdir(parents=True)
    with pytest.raises(NotEnoughSpace):
        space.check(found, paths)
    (model / "saved_model.pb").write_bytes(b"1")
    assert space.check(found, paths) == ""
    with pytest.raises(NotEnoughSpace):
        space.check(Forecast({"Transform": Space(210 * MB)}), paths)
    (tmp_path / "checkpoints" / "step-1.data").write_bytes(bytes(6 * MB))
    assert "space may run out" in space.check(Forecast({"Transform": Space(210 * MB)}), paths)


def test_a_full_folder_for_temporary_files_is_named(
    monkeypatch: pytest.MonkeyPatch, free: Free, tmp_path: Path
) -> None:
    free(1000)
    monkeypatch.setattr(storage.tempfile, "gettempdir", lambda: "/scratch")
    with pytest.raises(NotEnoughSpace, match=r"temporary files is full: /scratch; 1\.0 kB free of .* set TMPDIR"):
        space.check(Forecast({}), Paths(str(tmp_path)))


def test_data_elsewhere_has_no_forecast(free: Free, tmp_path: Path) -> None:
    config = load(settings=["data.source.kind=csv", "data.source.path=gs://bucket/rows.csv"])
    found = space.forecast(config)
    assert found.spaces == {}
    assert found.needs == {}
    free(MB)
    assert space.check(found, Paths(str(tmp_path))) == ""


def test_a_model_that_the_data_chooses_refuses_nothing() -> None:
    def least(*settings: str) -> int:
        return space.forecast(load("next_product", settings)).least

    assert least() > 100 * MB > least("trainer={}")
