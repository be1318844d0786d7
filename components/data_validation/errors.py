"""Error that a run raises if its data violates the schema."""

from __future__ import annotations

from dataclasses import dataclass

from components.messages.terminal import plain, table


@dataclass(frozen=True)
class Anomaly:
    """Violation of the schema by a split.

    Attributes:
        split: Name of the split.
        column: Name of the column, or `(all rows)`.
        what: Short description.
        detail: Found and expected values.
    """

    split: str
    column: str
    what: str
    detail: str


class AnomaliesFound(ValueError):
    """Error for data that violates its schema. The message has a table of all anomalies.

    Attributes:
        anomalies: All anomalies, by split and column.
        where: Folder with the full anomalies.
    """

    def __init__(self, anomalies: list[Anomaly], where: str) -> None:
        self.anomalies = anomalies
        self.where = where
        super().__init__(f"the data does not keep to the schema:\n{_table(anomalies)}\nIn full: {where}")

    def __reduce__(self) -> tuple[type[AnomaliesFound], tuple[list[Anomaly], str]]:
        return AnomaliesFound, (self.anomalies, self.where)


def _table(anomalies: list[Anomaly]) -> str:
    rows = [(f"  {a.split}", a.column, a.what, a.detail) for a in anomalies]
    return "\n".join(plain(table(rows, ("  split", "column", "what", "found and expected"), figures=False)))
