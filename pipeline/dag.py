"""The DAG: one configuration in, one TFX pipeline out, the same for every runner."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from components.compat.tfx_v1 import v1 as tfx
from components.ingest.sources.registry import source_of
from components.node import Site, Step
from pipeline.config.spec import Config
from pipeline.metadata import store
from pipeline.nodes import NODES
from pipeline.paths import Paths

ALL: tuple[Step, ...] = ("rows", "span", "run")


def build(config: Config, paths: Paths, spans: Sequence[int] = (), steps: Collection[Step] = ALL) -> tfx.dsl.Pipeline:
    """Build the pipeline.

    Args:
        config: What the pipeline does.
        paths: Where everything lies.
        spans: Spans of the source up to the newest to ingest, oldest first. Empty if the source has none, and if no
            node runs that looks them up.
        steps: Which nodes: `rows` reads one span, `span` checks it, `run` is the rest. An earlier span of a rolling
            range takes the first two.
    """
    site = Site(
        specs=config,
        schema_file=schema_file(config),
        checkpoints=paths.checkpoints,
        serving=paths.serving,
        spans=spans,
    )
    for node in NODES:
        if node.step in steps and node.present(config):
            site.built[node.name] = node.build(site)
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=paths.artifacts,
        components=[*site.built.values()],
        enable_cache=True,
        metadata_connection_config=store.connection(config.metadata, paths.metadata),
        beam_pipeline_args=[*config.beam.arguments()],
    )


def schema_file(config: Config) -> str:
    """Return the curated schema of the data: a file of the configuration, or the one that the source brings.

    Empty in pods that do not import the schema: they have no file of it.
    """
    return config.data.schema_file or source_of(config.data.source).schema_file() or ""
