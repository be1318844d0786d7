"""Tests of `bigvocab bench ingest`: data, arithmetic and bounds."""

from __future__ import annotations

import datetime
import glob
from pathlib import Path

import pytest

from benchmarks.harness.machine import Machine
from benchmarks.ingest import spans
from benchmarks.ingest.data import CORPUS, SEQUENCE, WRITERS
from benchmarks.ingest.measure import Results, Stage, growth
from benchmarks.ingest.report import bound_lines, growth_lines, missed, stage_lines
from components.ingest.rows.columns import columns_read
from components.ingest.sources.base import Lines, Range, Rows
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec
from pipeline.config.loading import load
from pipeline.execution.spans import plan


def read(file_range: Range, data: DataSpec) -> Rows:
    return source_of(data.source).rows(file_range, columns_read(data), Lines())


MACHINE = Machine("a processor", False, 2, 8 << 30, 0.0, {}, datetime.date(2026, 1, 1).isoformat())


@pytest.mark.parametrize(("name", "size", "file"), [("sequences", 8_700, "text/all.txt"), ("rows", 500, "rows.csv")])
def test_the_data_are_as_many_as_asked_for_and_read_by_their_configuration(
    name: str, size: int, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.yaml").write_text(WRITERS[name](tmp_path, size))
    monkeypatch.chdir(tmp_path)
    config = load(str(tmp_path / "c.yaml"))
    rows = [row for _, row in read(Range(str(tmp_path / file)), config.data)]
    if name == "sequences":
        assert sum(len(row["words"].split()) - 1 for row in rows if isinstance(row, dict)) == size
        assert len(rows) == size // (SEQUENCE - 1)
    else:
        assert len(rows) == size
        assert all(isinstance(row, dict) and len(row["items"].split()) == 10 for row in rows)


@pytest.mark.parametrize(("data", "size"), [("sequences", 87 * 30), ("rows", 600)])
def test_spans_hold_as_many_as_asked_for_together(
    data: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configuration = spans.write(tmp_path, data, 3, size)
    configs = []
    for newest in (2, None):
        (tmp_path / "c.yaml").write_text(configuration(newest))
        configs.append(load(str(tmp_path / "c.yaml")))
    assert [plan(config.data) for config in configs] == [[1, 2], []]
    paths = sorted(glob.glob(str(configs[1].data.source.path)))
    found = [sum(1 for _ in read(Range(path), configs[1].data)) for path in paths]
    rows = size // (SEQUENCE - 1) if data == "sequences" else size
    assert found == [rows // 3] * 3


def results(*rows: tuple[int, float, float, int]) -> Results:
    """Return results for labeled rows, from their number and the CPU time, wall time and peak memory of each node."""
    stages = [
        Stage("rows", examples, node, cpu, wall, peak)
        for examples, cpu, wall, peak in rows
        for node in ("ExampleGen", "StatisticsGen", "Transform")
    ]
    return Results(MACHINE, stages, [])


def test_nodes_add_up_and_the_largest_peak_counts() -> None:
    found = results((1_000_000, 10.0, 6.0, 1 << 30))
    (together,) = found.together()
    assert (together.cpu, together.wall, together.peak) == (30.0, 18.0, 1 << 30)
    lines = [line for line in stage_lines(found) if "all three" in line]
    assert lines == [
        "| rows | 1,000,000 |     all three |   18.0 |     55,556 |  30.0 |              30.0 |     1,024 |"
    ]


def test_growth_is_the_power_of_the_number_of_examples() -> None:
    found = results((1_000_000, 10.0, 6.0, 1 << 30), (4_000_000, 80.0, 40.0, 2 << 30))
    small, large = found.together()
    assert growth(small, large) == pytest.approx(1.5)
    assert "| rows |     all three | 1,000,000 to 4,000,000 | 1.50 |       2.00x |" in list(growth_lines(found))


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        (
            [(1_000_000, 10.0, 10.0, 1 << 30), (5_000_000, 55.0, 90.0, 1 << 30)],
            ["-", "holds", "-", "-", "holds", "holds", "-", "-"],
        ),
        (
            [(1_000_000, 10.0, 12.0, 1 << 30), (10_000_000, 120.0, 60.0, 1 << 30)],
            ["-", "MISSED", "MISSED", "-", "MISSED", "holds", "-", "-"],
        ),
        (
            [(1_000_000, 10.0, 10.0, 1 << 30), (10_000_000, 100.0, 50.0, 2 << 30)],
            ["-", "holds", "holds", "-", "holds", "MISSED", "-", "-"],
        ),
        ([(1_000_000, 10.0, 10.0, 1 << 30)], ["-", "holds", "-", "-", "-", "-", "-", "-"]),
        ([(100_000, 10.0, 20.0, 1 << 30)], ["-"] * 8),
    ],
)
def test_what_must_hold_is_judged_where_it_was_measured(
    rows: list[tuple[int, float, float, int]], holds: list[str]
) -> None:
    found = results(*rows)
    assert [line.split("|")[-2].strip() for line in list(bound_lines(found))[2:]] == holds
    assert missed(found) == ("MISSED" in holds)


def test_polars_is_compared_at_the_largest_size() -> None:
    found = results((1_000_000, 10.0, 10.0, 1 << 30), (10_000_000, 100.0, 50.0, 1 << 30))
    found.polars = [Stage("rows", 1_000_000, "Polars", 1.0, 0.6, 1), Stage("rows", 10_000_000, "Polars", 8.0, 5.0, 1)]
    lines = list(stage_lines(found))
    assert ["Polars" in line for line in lines] == [False] * 6 + [True] + [False] * 4 + [True]
    (line,) = [line for line in bound_lines(found) if "Polars" in line]
    assert [cell.strip() for cell in line.split("|")[2:5]] == ["at most 35.00x", "37.50x", "MISSED"]


def test_polars_does_the_same_work(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars", reason="the group bench is not installed")
    from benchmarks.ingest.polars_rows import PolarsRows

    WRITERS["rows"](tmp_path, 500)
    PolarsRows(str(tmp_path), 1).turn(1)
    source, found = pl.read_csv(tmp_path / "rows.csv"), pl.read_parquet(tmp_path / "rows.parquet")
    assert found["items"].list.len().to_list() == [10] * 500
    assert found["price"].mean() == pytest.approx(0, abs=1e-9)
    labels = source["label"].value_counts().sort(["count", "label"], descending=[True, False])["label"].to_list()
    assert [labels[number] for number in found["label"].to_list()] == source["label"].to_list()


def test_the_corpus_is_bound_by_the_clock() -> None:
    nodes = ("ExampleGen", "StatisticsGen", "Transform")
    slow = Results(MACHINE, [Stage(CORPUS, 2_000_000, node, 40.0, 31.0, 1) for node in nodes], [])
    assert missed(slow)
    assert "93 s" in list(bound_lines(slow))[2]
