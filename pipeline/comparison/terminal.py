"""Comparison as lines and tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from components.messages.formatting import on_terminal, printable
from components.messages.terminal import table
from components.metrics.definitions import Column
from components.report.sections.measures import Margin
from pipeline.comparison import words
from pipeline.comparison.results import Comparison, Group

Part = str | Text | Table
_STYLES = {"better": "green", "worse": "red", "equal": "dim", "": ""}
_SLICES = 20
"""Values of a column in the table of its slices, at most."""
_CASES = 3
"""Rows of each kind on the terminal, at most. The page and the JSON have all of them."""


def shown(comparison: Comparison) -> Iterator[Part]:
    """Yield the settings that differ, the metrics, bands and slices, and rows that only one model answers right."""
    yield from _settings(comparison)
    yield ""
    measured = f", {comparison.measured:,} rows" if comparison.measured else ""
    yield f"{printable(comparison.rows)[:1].upper()}{printable(comparison.rows)[1:]}{measured}:"
    for group in comparison.groups:
        if group.kind in ("all", "known", "weighted", "target"):
            if group.kind != "all":
                yield ""
                rows = f", {group.rows:,} rows" if group.kind == "known" and group.rows else ""
                yield f"{printable(words.name_of(group))[:1].upper()}{printable(words.name_of(group))[1:]}{rows}:"
            yield _metrics(comparison, group)
    if comparison.measured:
        yield Text(
            f"  {comparison.level:.0%} intervals: a paired bootstrap over the rows. Green: better than "
            f"{comparison.names[0]}; red: worse; dim: equal within the interval.",
            "dim",
        )
    yield from _parts(comparison)
    yield from _cases(comparison)
    if comparison.notes:
        yield ""
        yield from comparison.notes


def _settings(comparison: Comparison) -> Iterator[Part]:
    if not comparison.settings:
        yield "The configurations do not differ in a key that is known."
        return
    yield "Settings that differ:"
    rows = [[f"  {each.key}", *map(words.setting, each.values)] for each in comparison.settings]
    yield table(rows, ["", *comparison.names], figures=False)


def _metrics(comparison: Comparison, group: Group) -> Table:
    """Return a table with a row for each metric."""
    first, *others = comparison.names
    header = ["", first, *(title for name in others for title in (name, f"over {first}", "interval"))]
    rows = []
    for place, column in words.columns(comparison, group):
        row = [f"  {column.text}", _figure(group, 0, column)]
        for other, margins in enumerate(group.margins, 1):
            row += [_figure(group, other, column), *_margin(column, margins[place])]
        rows.append(row)
    count = group.models[0].count  # pyright: ignore[reportAttributeAccessIssue]
    if group.kind == "all" and count:
        rows.append(["  labels", on_terminal(count, "count"), *[""] * (len(header) - 2)])
    return table(rows, header)


def _figure(group: Group, model: int, column: Column) -> str:
    return on_terminal(getattr(group.models[model], column.name, None), column.form)


def _margin(column: Column, margin: Margin) -> list[Text]:
    style = _STYLES[words.outcome(column, margin)]
    return [Text(words.signed(column, margin), style), Text(words.interval(column, margin), style)]


def _parts(comparison: Comparison) -> Iterator[Part]:
    """Yield a table for the bands, and one for each column of the slices."""
    bands = [group for group in comparison.groups if group.kind == "band"]
    if bands:
        yield ""
        yield "By frequency of the label:"
        yield _groups(comparison, bands)
    slices = [group for group in comparison.groups if group.kind == "slice"]
    for name in dict.fromkeys(group.column for group in slices):
        found = [group for group in slices if group.column == name]
        more = f", {_SLICES} of {len(found):,} values" if len(found) > _SLICES else ""
        yield ""
        yield f"By {printable(name)}{more}:"
        yield _groups(comparison, found[:_SLICES])


def _groups(comparison: Comparison, groups: Sequence[Group]) -> Table:
    """Return a table with a row for each group."""
    first, *others = comparison.names
    columns = words.columns(comparison, groups[0])
    titles = [
        title
        for _, column in columns
        for title in (f"{column.text} {first}", *(t for name in others for t in (name, f"over {first}", "interval")))
    ]
    rows = []
    for group in groups:
        row: list[str | Text] = [f"  {printable(words.name_of(group))}"]
        row.append(on_terminal(group.models[0].count, "count"))  # pyright: ignore[reportAttributeAccessIssue]
        for place, column in columns:
            row.append(_figure(group, 0, column))
            for other, margins in enumerate(group.margins, 1):
                row += [_figure(group, other, column), *_margin(column, margins[place])]
        rows.append(row)
    return table(rows, ["", "labels", *titles])


def _cases(comparison: Comparison) -> Iterator[Part]:
    first = comparison.names[0]
    for found in comparison.cases:
        for title, count, cases in words.about_cases(comparison, found):
            if not cases:
                continue
            yield ""
            yield f"{printable(title)} ({printable(count)}):"
            for case in cases[:_CASES]:
                yield Text.assemble(("  " + printable(f"{case.where}: "), "dim"), printable(case.input))
                yield Text.assemble("    -> ", (printable(", ".join(case.truth)), "bold"))
                names = (first, found.model)
                yield table(
                    [
                        [f"    {name}", printable(words.answered(answer))]
                        for name, answer in zip(names, case.answers, strict=True)
                    ],
                    figures=False,
                )
