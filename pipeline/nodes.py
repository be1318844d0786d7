"""The nodes of the pipeline, in order. Everything else goes by this list."""

from __future__ import annotations

from components.baselines.node import BaselinesNode
from components.data_validation.node import ExampleValidatorNode, ImportSchemaGenNode, StatisticsGenNode
from components.defaults.node import DefaultsNode
from components.evaluation.node import EvaluatorNode, ResolverNode
from components.inference.node import BulkInferrerNode
from components.infra_validation.node import InfraValidatorNode
from components.ingest.node import ExampleGenNode, RollingRangeNode
from components.node import Node, Specs
from components.preprocessing.node import AnalyzerCacheNode, TransformNode
from components.pushing.node import PusherNode
from components.training.node import BaseModelNode, TrainerNode
from components.tuning.node import TunerNode

NODES: tuple[Node, ...] = (
    ExampleGenNode(),
    StatisticsGenNode(),
    RollingRangeNode(),
    ImportSchemaGenNode(),
    ExampleValidatorNode(),
    DefaultsNode(),
    AnalyzerCacheNode(),
    TransformNode(),
    BaselinesNode(),
    TunerNode(),
    BaseModelNode(),
    TrainerNode(),
    ResolverNode(),
    EvaluatorNode(),
    InfraValidatorNode(),
    PusherNode(),
    BulkInferrerNode(),
)
"""A node comes after those whose outputs it reads."""
REPORT = "Report"
"""Not a node of TFX: it reads what the others left in the metadata store, and writes the report."""


def named(name: str) -> Node:
    """Return the node of this name.

    Raises:
        KeyError: The pipeline has no such node.
    """
    return {node.name: node for node in NODES}[name]


def node_names(specs: Specs | None = None) -> list[str]:
    """Return the names of the nodes in the DAG of a configuration, or of all nodes, and `Report`."""
    return [node.name for node in NODES if specs is None or node.present(specs)] + [REPORT]
