"""DAG of the pipeline: turns a configuration into a TFX pipeline, the same for all runners."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from components.compat.tfx.v1 import v1 as tfx
from components.ingest.sources.registry import source_of
from components.node import Site, Step
from pipeline.config.spec import Config
from pipeline.metadata import store
from pipeline.nodes import NODES
from pipeline.paths import Paths

ALL: tuple[Step, ...] = ("rows", "span", "run")


def build(
    config: Config,
    paths: Paths,
    spans: Sequence[int] = (),
    steps: Collection[Step] = ALL,
    last: str | None = None,
) -> tfx.dsl.Pipeline:
    """Build the pipeline.

    Args:
        config: Configuration.
        paths: Paths under the root.
        spans: Spans of the source up to the newest to ingest, oldest first. Empty if the source has no spans, or if no
            node that looks them up will run.
        steps: Steps whose nodes the pipeline contains. `rows` reads one span, `span` checks it, `run` is the rest. The
            earlier spans of a rolling range need only the first two.
        last: Name of the last node of the pipeline. None: the nodes of all steps.
    """
    site = Site(
        specs=config,
        schema_file=schema_file(config),
        checkpoints=paths.checkpoints,
        searches=paths.searches,
        serving=paths.serving,
        spans=spans,
    )
    for node in NODES:
        if node.step in steps and node.present(config):
            site.built[node.name] = node.build(site)
        if node.name == last:
            break
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=paths.artifacts,
        components=[*site.built.values()],
        enable_cache=True,
        metadata_connection_config=store.connection(config.metadata, paths.metadata),
        beam_pipeline_args=[*config.beam.arguments()],
    )


def up_to(step: Step) -> tuple[Step, ...]:
    """Return a step and the steps before it, whose outputs it may read."""
    return ALL[: ALL.index(step) + 1]


def schema_file(config: Config) -> str:
    """Return the path of the curated schema: `data.schema_file`, or else the schema that comes with the source.

    Empty in pods that do not import the schema, because they have no schema file.
    """
    return config.data.schema_file or source_of(config.data.source).schema_file() or ""
