"""Sections of the summary about a run: nodes, configuration and lineage."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from components.report.sections.measures import SummarySection


class Node(SummarySection):
    """Execution of one node: its time, state and result."""

    name: str
    seconds: float = Field(ge=0)
    """Wall time in this run."""
    cpu_seconds: float | None = Field(None, ge=0)
    """CPU time in this run, child processes included. None: not measured, as of nodes that run in pods."""
    peak_bytes: int | None = Field(None, ge=0)
    """Greatest resident memory of the process, without child processes. None: not measured, as of nodes in pods."""
    cached: bool
    state: Literal["complete", "cached", "failed", "not run"]
    detail: str = ""
    """The result of the node, in one line."""


class Failure(SummarySection):
    """Node that failed, and its error message."""

    node: str
    message: str


class Defaults(SummarySection):
    """Values of keys that the configuration does not set, chosen from the statistics of the data."""

    reason: str
    """The choice and its reason, in one line."""
    facts: dict[str, float] = {}
    """Statistics of the train split that the choice follows from."""
    pinned: str = ""
    """YAML that sets the chosen values. Empty if nothing was chosen."""


class Setting(SummarySection):
    """Key of the configuration, and its value."""

    left_out = ("differs", "base")

    key: str
    """Key with its sections, such as `trainer.epochs`."""
    value: Any
    differs: bool = False
    """True if the value is not that of the preset. Without a preset, true if the configuration sets the key."""
    base: Any = None
    """The value of the preset, if it differs."""


class Configuration(SummarySection):
    """Whole configuration of a run, without secrets."""

    preset: str | None
    """The preset with the same name. None: the configuration has a name of its own."""
    settings: list[Setting]


class Artifact(SummarySection):
    """Artifact in the metadata store."""

    key: str
    """Key of the artifact among the inputs or outputs of a node."""
    id: int
    type: str
    uri: str
    """URI relative to the root of the run, if it is below the root."""


class Execution(SummarySection):
    """Execution in the metadata store."""

    node: str
    execution: int | None
    """Id of the execution."""
    cached: bool
    """True if the outputs are those of an earlier execution."""
    inputs: list[Artifact] = []
    outputs: list[Artifact] = []
