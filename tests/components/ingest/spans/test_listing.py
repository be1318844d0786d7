"""Tests of the spans in a path, and of the list of existing spans."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.ingest.errors import IngestError
from components.ingest.sources.files import placeholders
from components.ingest.spans.listing import has_spans, name_of, spans_there, spans_up_to
from components.ingest.spec import DataSpec, SourceSpec
from tests.components.ingest.conftest import Ingest


def spec(**source: str) -> SourceSpec:
    return DataSpec.model_validate({"shape": "sequence", "source": source, "inputs": ["words"]}).source


DECADES = spec(kind="sotu", spans="decades")


def files(folder: Path, *names: str, text: str = "a b\n") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def there(folder: Path, path: str) -> list[int]:
    return spans_there(spec(kind="text", path=path), folder)


def test_numbers(tmp_path: Path) -> None:
    files(tmp_path, "day-007/a.txt", "day-007/b.txt", "day-010/a.txt", "day-all/a.txt", "day-011/notes.md")
    assert there(tmp_path, "day-{SPAN:3}/*.txt") == [7, 10]
    assert there(tmp_path, "day-{SPAN:3}") == [7, 10, 11]
    with pytest.raises(IngestError, match=r"span 7 is written '007' in .*day-007/a.txt: .* \{SPAN:3\}"):
        there(tmp_path, "day-{SPAN}/*.txt")


def test_days(tmp_path: Path) -> None:
    files(tmp_path, "2026/11/21.txt", "2026/11/22.txt")
    source = spec(kind="text", path="{YYYY}/{MM}/{DD}.txt")
    found = spans_there(source, tmp_path)
    assert [name_of(source, span) for span in found] == ["2026-11-21", "2026-11-22"]
    assert spans_up_to("2026-11-21", source, found) == found[:1]


def test_decades_of_the_default_corpus() -> None:
    found = spans_there(DECADES, Path())
    assert found[0] == 179
    assert [name_of(DECADES, span) for span in found[-2:]] == ["2010s", "2020s"]
    assert spans_up_to(None, DECADES, found) == found
    assert spans_up_to("1790s", DECADES, found) == spans_up_to(179, DECADES, found) == [179]


def test_a_span_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"no span 1945s; did you mean '19.0s'\? \(there are: 1930s, 1940s, 1950s\)"):
        spans_up_to("1945s", DECADES, [193, 194, 195])
    with pytest.raises(IngestError, match=r"no span is there: nothing matches .*/day-\*\.txt"):
        there(tmp_path, "day-{SPAN}.txt")


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("{SPAM}.csv", "unknown placeholder {SPAM}; did you mean 'SPAN'?"),
        ("{SPAN}/{SPAN}.csv", "{SPAN} stands more than once"),
        ("{YYYY}-{MM}.csv", "a date has all of {YYYY}, {MM} and {DD}"),
        ("{SPAN}/{YYYY}{MM}{DD}.csv", "spans are either numbers"),
        ("v{VERSION}.csv", "{VERSION} is of a span"),
    ],
)
def test_faults_of_a_path(path: str, fault: str) -> None:
    [found] = placeholders.faults(path)
    assert found.startswith(fault)
    with pytest.raises(ValueError, match=r"source\.path: "):
        spec(kind="csv", path=path)


def test_other_paths_have_no_spans() -> None:
    for path in ("rows.csv", "{a}/*.csv", "{SPANS of time, all}.csv"):
        assert not has_spans(spec(kind="csv", path=path))
        assert placeholders.every(path) == path


def test_keys_of_spans_want_some() -> None:
    with pytest.raises(ValueError, match=r"data\.num_spans: the source has no spans.*; data\.span: "):
        DataSpec(shape="sequence", source=SourceSpec(kind="sotu"), inputs=["words"], num_spans=2, span=3)
    with pytest.raises(ValueError, match=r"source\.spans is of kind 'sotu'"):
        spec(kind="csv", path="x.csv", spans="decades")


@pytest.mark.slow
def test_a_span_is_read_alone_in_its_newest_version(ingest: Ingest, tmp_path: Path, paragraphs: list[str]) -> None:
    files(tmp_path, "1/v1.txt", text="\n\n".join(paragraphs[:100]))
    files(tmp_path, "2/v1.txt", text="not read")
    files(tmp_path, "2/v2.txt", text="\n\n".join(paragraphs[100:]))
    source = spec(kind="text", path="{SPAN}/v{VERSION}.txt")
    data = DataSpec(shape="sequence", source=source, inputs=["words"])
    assert ingest(data, "second", span=2).counts()["read"] == len(paragraphs) - 100
    assert ingest(data, "first", span=1).counts()["read"] == 100


@pytest.mark.slow
def test_a_decade_is_read_alone(ingest: Ingest) -> None:
    data = DataSpec(shape="sequence", source=DECADES, inputs=["words"], slices=["decade"])
    rows = ingest(data, span=194).all_rows()
    assert {row["decade"][0] for row in rows} == {"1940s"}
