"""The names of a pipeline's nodes, without building it: that would load TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config

NODES = (
    "ExampleGen",
    "ImportSchemaGen",
    "StatisticsGen",
    "ExampleValidator",
    "Transform",
    "Baselines",
    "BaseModel",
    "Trainer",
    "InfraValidator",
    "Resolver",
    "Evaluator",
    "Pusher",
)
REPORT = "Report"
"""Not a node of TFX: it reads what the others left in the metadata store, and writes the report."""


def node_names(config: Config) -> list[str]:
    """All nodes of a configuration's pipeline, and `Report`."""
    return [name for name in NODES if name != "BaseModel" or config.trainer.warm_start] + [REPORT]
