"""Command `bigvocab schema`, which infers a first schema for the user's data from the train split."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.ingest.sources.base import SourceSpec
from components.messages.exit_codes import FAILED
from pipeline.config.spec import Config
from pipeline.execution.runner import session
from pipeline.paths import Paths

_DIALECT = ("delimiter", "quote", "escape", "encoding", "header", "columns", "comment", "skip", "rows")


def write(config: Config, root: Path, output: Path) -> int:
    """Ingest the data, compute its statistics, and write a schema inferred from them.

    The next `run` under the same root takes the ingested data and the statistics from the cache.

    Args:
        config: Configuration.
        root: Root of the run.
        output: File of the schema.

    Returns:
        Exit code.

    Raises:
        RootInUse: Another process uses the root.
    """
    paths = Paths.of(root)
    with session(config, paths, "bigvocab schema") as (console, run_id, log, interruption):
        from components.data_validation.infer import NoValues, infer_schema, write_schema
        from pipeline import dag
        from pipeline.execution import spans
        from pipeline.execution.walk import walk
        from pipeline.metadata.record import span_run

        statistics = []
        for span in spans.rolling_range(config.data, spans.plan(config.data)) or [None]:
            pipeline = dag.build(config, paths, [] if span is None else [span], steps=("rows",))
            run = run_id if span is None else span_run(run_id, span)
            outcomes, failure = walk(pipeline, run, console, interruption)
            if failure:
                console.line(f"\n{failure.node} failed. {failure}\nLog: {log}")
                return FAILED
            statistics.append(outcomes[-1].outputs["statistics"][0].uri)
        try:
            inferred = infer_schema(statistics[-1], config.data, statistics[:-1])
        except NoValues as error:
            console.line(f"\nNo schema was written. {error}")
            return FAILED
        write_schema(inferred, output)
        console.line("\n" + "".join(f"{line}\n" for line in dialect(config.data.source)))
        console.line(
            f"Written: {output}\n"
            "Review it, tighten limits that you know better, and commit it next to the configuration."
        )
    return 0


def dialect(source: SourceSpec) -> Iterator[str]:
    """Yield a line with the dialect of the first text file, as detected and as configured."""
    from components.ingest.errors import IngestError
    from pipeline.init.sampling import detect

    try:
        found = detect(source)
    except IngestError:  # The file was removed after the ingestion.
        return
    if found is not None:
        names = [name for name in type(source).model_fields if name in _DIALECT]
        configured = {name: getattr(source, name) for name in names if name in source.model_fields_set}
        yield f"Dialect of {found.file}: {_keys(found.keys)}. Configured: {_keys(configured)}."


def _keys(keys: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {json.dumps(value)}" for name, value in keys.items()) or "the defaults"
