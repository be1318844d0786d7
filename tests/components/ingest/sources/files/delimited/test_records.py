"""Tests of the scanner of delimited text, by properties and examples."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.ingest.errors import RowError
from components.ingest.sources.files.delimited import records as csv_records
from components.ingest.sources.files.delimited.records import Dialect, end_of_records, rows
from tests.drawing import drawn

DIALECTS = [Dialect(quote=quote, escape=escape) for quote in ("double", "line", "none") for escape in (None, "\\")]
DIALECTS += [
    Dialect("::"),
    Dialect("::", comment="#"),
    Dialect("::", "none", "\\"),
    Dialect(comment="#:", quote="line"),
]
TEXT = st.text(st.sampled_from('ab,:#"\n\r\\é'), max_size=40).map(str.encode)


def blocks(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


def read(text: bytes, dialect: Dialect, size: int = 1 << 20) -> list[tuple[int, list[str] | str]]:
    """Return the number of lines of each record, with its cells or its fault."""
    return [
        (lines, f"{cells.kind}: {cells.reason}" if isinstance(cells, RowError) else cells)
        for lines, cells in rows(blocks(text, size), dialect)
    ]


def cuts(text: bytes, dialect: Dialect, size: int) -> list[int]:
    """Return all boundaries of records that a pass over blocks finds."""
    found, buffer, here = [], b"", 0
    for block in blocks(text, size):
        buffer += block
        at = end_of_records(buffer, 0, dialect, final=False)
        here, buffer = here + at, buffer[at:]
        found.append(here)
    return found


@drawn()
@given(TEXT, st.integers(1, 50), st.integers(1, 50), st.sampled_from(DIALECTS))
@example(b'"a\n"b', 3, 1, DIALECTS[0])
@example(b'a,"b\r\n",c\r"\n"', 2, 1, DIALECTS[0])
def test_any_text_cut_anywhere_and_read_in_any_blocks_gives_the_records_of_the_whole(
    text: bytes, block: int, size: int, dialect: Dialect
) -> None:
    whole = read(text, dialect)
    assert read(text, dialect, block) == whole
    places = [0, *cuts(text, dialect, size), len(text)]
    parts = [text[start:end] for start, end in itertools.pairwise(places)]
    assert [item for part in parts for item in read(part, dialect, block)] == whole


@drawn()
@given(TEXT, st.integers(1, 50), st.integers(1, 12), st.sampled_from(DIALECTS))
def test_so_it_is_where_records_reach_the_longest_length(text: bytes, size: int, limit: int, dialect: Dialect) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "CELL_LIMIT", limit)
        whole = read(text, dialect)
        places = [0, *cuts(text, dialect, size), len(text)]
        parts = [text[start:end] for start, end in itertools.pairwise(places)]
        assert [item for part in parts for item in read(part, dialect, size)] == whole


@drawn()
@given(TEXT, st.sampled_from(DIALECTS))
def test_every_line_is_in_one_record_and_a_bad_one_is_one_line(text: bytes, dialect: Dialect) -> None:
    found = read(text, dialect)
    assert sum(lines for lines, _ in found) == text.count(b"\n") + (bool(text) and not text.endswith(b"\n"))
    assert all(lines == 1 for lines, cells in found if isinstance(cells, str))
    if dialect.quote == "line" or dialect == Dialect(quote="none"):
        assert all(lines == 1 for lines, _ in found)


@drawn()
@given(st.lists(st.lists(st.text(st.sampled_from('ab ,"\n\ré'), max_size=6), min_size=2, max_size=4), max_size=20))
def test_what_the_standard_library_writes_is_read_as_it_was(written: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(written)
    assert [cells for _, cells in read(text.getvalue().encode(), Dialect())] == written


@drawn()
@given(TEXT, st.sampled_from([Dialect(), Dialect(quote="line")]))
def test_cells_are_those_of_the_grammar(text: bytes, dialect: Dialect) -> None:
    # Python's csv module reads runs of well-formed records, because it is faster.
    run = dialect.run.match(text)
    assert run
    by_grammar = [csv_records._cells(match[0], dialect) for match in dialect.record.finditer(run[0])]
    assert [cells for _, cells in csv_records._rows(run[0], dialect)] == by_grammar


def faults(text: str, dialect: Dialect) -> list[object]:
    return [re.split(": ", cells)[0] if isinstance(cells, str) else cells for _, cells in read(text.encode(), dialect)]


@pytest.mark.parametrize(
    ("text", "dialect", "wanted"),
    [
        # An unclosed quote spoils only its own line, not all lines up to the next quote.
        ('"item4 exact,L4\nitem9,L9\n"item8" pro,L8\n', Dialect(), ["broken quotes", ["item9", "L9"], "broken quotes"]),
        ('a,b\n"open,1\nc,2', Dialect(), [["a", "b"], "broken quotes", ["c", "2"]]),
        ('5" pipe,6""\na"b"c,1\n', Dialect(), [['5" pipe', '6""'], ['a"b"c', "1"]]),
        ('"5"" pipe","a\nb"\n"",""\n', Dialect(), [['5" pipe', "a\nb"], ["", ""]]),
        ('"a"b,1\n', Dialect(), ["broken quotes"]),
        ('"a" ,1\n', Dialect(), ["broken quotes"]),
        ("a\rb,1\n", Dialect(), ["carriage return"]),
        ('"a\rb",1\r\nc,2\r\n', Dialect(), [["a\rb", "1"], ["c", "2"]]),
        ('"x\n', Dialect(), ["broken quotes"]),
        # TSV: a quoted cell ends on its line.
        ('"open\tL4\nitem9 5"\tL9\n', Dialect("\t", "line"), ["broken quotes", ['item9 5"', "L9"]]),
        ('"a ""b"""\tL4\n', Dialect("\t", "line"), [['a "b"', "L4"]]),
        ('"open\tL4\n"item8" pro\tL8\n', Dialect("\t", "none"), [['"open', "L4"], ['"item8" pro', "L8"]]),
        # Spark: only inside quotes, the escape character applies to a quote and to itself.
        (
            '"the \\"best\\" one",x\\y\n"c:\\\\d\\e",\\"k\n',
            Dialect(escape="\\"),
            [['the "best" one', "x\\y"], ["c:\\d\\e", '\\"k']],
        ),
        ('"ends \\"so\\"",1\n"a\\\\",2\n', Dialect(escape="\\"), [['ends "so"', "1"], ["a\\", "2"]]),
        ('"the \\"best\\" one",1\n', Dialect(), ["broken quotes"]),
        # Databases: no quotes. The escape character applies to a delimiter, a line end and itself.
        ('a\\,b,"c\\\nd\ne\\x,f\\\\\n', Dialect(quote="none", escape="\\"), [["a,b", '"c\nd'], ["e\\x", "f\\"]]),
        ("a,b\\", Dialect(quote="none", escape="\\"), ["broken CSV"]),
    ],
)
def test_examples(text: str, dialect: Dialect, wanted: list[object]) -> None:
    assert faults(text, dialect) == wanted


def fault(text: str, dialect: Dialect) -> RowError:
    [(_, found)] = rows(iter([text.encode()]), dialect)
    assert isinstance(found, RowError)
    return found


@pytest.mark.parametrize(
    ("text", "dialect", "reason"),
    [
        ('"a" b,1\n', Dialect(), r"text follows a closing quote: '\"a\" b,1'; .* data\.source\.quote: none"),
        ('"a,1\n', Dialect(), r"does not end with one: '\"a,1'; .* data\.source\.quote: none"),
        ('"a\t1\n', Dialect("\t", "line"), r"does not end on its line: .*data\.source\.quote: none; .*, double"),
        ('"a \\"b\\" c",1\n', Dialect(), r"set data\.source\.escape: '\\'"),
    ],
)
def test_a_fault_says_what_is_wrong_and_what_to_set(text: str, dialect: Dialect, reason: str) -> None:
    assert re.search(reason, fault(text, dialect).reason)


def test_a_record_that_is_too_long_is_a_bad_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_records, "CELL_LIMIT", 20)
    text = b'"a\nb",1\n"' + b"x" * 30 + b'",2\n"c\n' + b"y" * 30 + b'\n",3\n'
    kinds = [cells.split(":")[0] if isinstance(cells, str) else cells for _, cells in read(text, Dialect(), 8)]
    assert kinds == [["a\nb", "1"], "long record", "broken quotes", ["y" * 30], "broken quotes"]
