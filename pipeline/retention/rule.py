"""Rule of retention: the runs and the models whose artifacts stay. Pure functions, without access to the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

ALIVE_SECONDS = 14 * 24 * 3_600.0
"""Time after its last record in which a run that did not end may still be running, or be tried again."""


@dataclass(frozen=True)
class Run:
    """Run of the pipeline, together with the runs that ingested its earlier spans.

    Attributes:
        id: Id of the run.
        number: Number of its first record in the metadata store. Later runs have greater numbers.
        started: Time of its first record, in seconds since the epoch.
        state: `complete`, `running`, or `ended` for a run that failed or was canceled.
    """

    id: str
    number: int
    started: float
    state: Literal["complete", "running", "ended"]


@dataclass(frozen=True)
class Model:
    """Blessed model whose files exist.

    Attributes:
        artifact: Id of the model's artifact. Newer models have greater ids.
        blessing: Id of the artifact of its blessing.
        graphs: Ids of the outputs of Transform that it was trained on.
    """

    artifact: int
    blessing: int
    graphs: frozenset[int]


def kept_runs(
    runs: Sequence[Run], keep: int, whole: Callable[[Run], bool], alive: Callable[[Run], bool]
) -> list[Run] | None:
    """Return the runs whose artifacts stay, newest first.

    These are the newest `keep` complete runs, all runs since the oldest of them, and earlier runs that still run.

    Args:
        runs: All runs of the pipeline.
        keep: Number of complete runs.
        whole: Function that returns True for a run of all nodes. Other runs, as of `bigvocab schema`, do not count as
            one of the newest. Called from the newest run on, and no more often than needed.
        alive: Function that returns True for a run of state `running` whose processes may still exist.

    Returns:
        The runs; None if the pipeline has fewer complete runs, so that all artifacts stay.
    """
    ordered = sorted(runs, key=lambda run: run.number, reverse=True)
    complete = 0
    for place, run in enumerate(ordered, start=1):
        complete += run.state == "complete" and whole(run)
        if complete == keep:
            older = ordered[place:]
            return ordered[:place] + [run for run in older if run.state == "running" and alive(run)]
    return None


def kept_models(blessed: Iterable[Model]) -> list[Model]:
    """Return the blessed models that a later run may look up, newest first.

    A run compares its model with the newest blessed model, or with the second newest if its own model, from the cache,
    is the newest. A warm start begins with the newest model that was trained on another output of Transform.
    """
    ordered = sorted(blessed, key=lambda model: model.artifact, reverse=True)
    kept = set(ordered[:2])
    for graph in ordered[0].graphs if ordered else ():
        kept |= {*[model for model in ordered if graph not in model.graphs][:1]}
    return [model for model in ordered if model in kept]
