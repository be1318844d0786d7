"""What the data of a run does not keep to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Anomaly:
    """One way in which a split departs from the schema.

    Attributes:
        split: name of the split.
        column: name of the column, or `(all rows)`.
        what: in short.
        detail: what was found and what the schema expects.
    """

    split: str
    column: str
    what: str
    detail: str


class AnomaliesFound(ValueError):
    """The data does not keep to its schema. The message is a table of all anomalies.

    Attributes:
        anomalies: all of them, by split and column.
    """

    def __init__(self, anomalies: list[Anomaly], where: str) -> None:
        self.anomalies = anomalies
        self.where = where
        super().__init__(f"the data does not keep to the schema:\n{_table(anomalies)}\nIn full: {where}")

    def __reduce__(self) -> tuple[type[AnomaliesFound], tuple[list[Anomaly], str]]:
        return AnomaliesFound, (self.anomalies, self.where)


def _table(anomalies: list[Anomaly]) -> str:
    rows = [("split", "column", "what", "found and expected")]
    rows += [(a.split, a.column, a.what, a.detail) for a in anomalies]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    )
