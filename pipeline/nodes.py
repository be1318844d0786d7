"""The names of a pipeline's nodes, without building it: that would load TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.ingest.spans import has_spans

if TYPE_CHECKING:
    from pipeline.config.spec import Config

NODES = (
    "ExampleGen",
    "ImportSchemaGen",
    "StatisticsGen",
    "Window",
    "ExampleValidator",
    "AnalyzerCache",
    "Transform",
    "Baselines",
    "BaseModel",
    "Trainer",
    "InfraValidator",
    "Resolver",
    "Evaluator",
    "Pusher",
)
OF_SPANS = ("Window", "AnalyzerCache")
"""Only where the data comes in spans."""
REPORT = "Report"
"""Not a node of TFX: it reads what the others left in the metadata store, and writes the report."""


def node_names(config: Config) -> list[str]:
    """All nodes of a configuration's pipeline, and `Report`."""
    absent = set() if config.trainer.warm_start else {"BaseModel"}
    absent |= set() if has_spans(config.data.source) else set(OF_SPANS)
    return [name for name in NODES if name not in absent] + [REPORT]
