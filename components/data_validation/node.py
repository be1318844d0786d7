"""StatisticsGen, ImportSchemaGen and ExampleValidator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.node import Node, Outputs, Site

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode
    from tfx.types import Artifact


class StatisticsGenNode(Node):
    """Node that computes the statistics of each split."""

    name = "StatisticsGen"
    step = "rows"

    def build(self, site: Site) -> BaseNode:
        """Build the component over all splits of one execution of ExampleGen."""
        from components.code import fingerprint
        from components.data_validation.statistics_gen import StatisticsGen

        code = fingerprint("components.data_validation.statistics_gen")
        return StatisticsGen(site.output("examples", "ExampleGen"), site.specs.statistics, code=code)

    def line(self, outputs: Outputs) -> str:
        """Return the names of the splits, the sampled share of each that was not read in full, and constant texts."""
        from components.data_validation.statistics import constant_columns

        artifact = outputs["statistics"][0]
        rates = json.loads(str(artifact.get_json_value_custom_property("sample_rate_by_split")))
        samples = [f"{split} by a sample, {rate:.1%} of its rows" for split, rate in rates.items() if rate < 1]
        # Transform's line has the constant numbers.
        constant = [name for name, is_text in constant_columns(artifact.uri).items() if is_text]
        columns = [f"constant column{'s' * (len(constant) > 1)}: {', '.join(constant)}"] if constant else []
        return "; ".join([f"statistics of {', '.join(_splits(artifact))}", *samples, *columns])

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the constant columns, and the drift of the newest span from each earlier one that trains with it."""
        from components.data_validation.statistics import constant_columns

        constant = [*constant_columns(run[self.name]["statistics"][0].uri)]
        return {**({"constant_columns": constant} if constant else {}), **self._drift(run)}

    def _drift(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        rolling_range = run.get("RollingRange")
        if not rolling_range or len(rolling_range["statistics"]) != len(rolling_range["examples"]):
            return {}
        import dataclasses

        from components.data_validation.drift import drift

        *earlier, newest = (artifact.uri for artifact in rolling_range["statistics"])
        drifts = [drift(newest, uri) for uri in earlier]
        found = [{column: dataclasses.asdict(value) for column, value in columns.items()} for columns in drifts]
        return {"spans": [{"drift": drift} for drift in [*found, {}]]}


class ImportSchemaGenNode(Node):
    """Node that brings the curated schema into the run."""

    name = "ImportSchemaGen"
    step = "span"
    needs_schema = True

    def build(self, site: Site) -> BaseNode:
        """Build the component with the path of the schema file."""
        from components.data_validation.schema_import import SchemaImporter

        own = site.specs.data.splits_positions
        return SchemaImporter(schema_file=site.schema_file, splits_positions=own).with_id(self.name)

    def line(self, outputs: Outputs) -> str:
        """Return the same text for every run."""
        del outputs
        return "the curated schema"


class ExampleValidatorNode(Node):
    """Node that stops the run if the statistics do not fit the schema."""

    name = "ExampleValidator"
    step = "span"

    def build(self, site: Site) -> BaseNode:
        """Build the component, with the statistics of the earlier spans if the source has spans."""
        from components.code import fingerprint
        from components.data_validation.validator import example_validator

        return example_validator(
            statistics=site.output("statistics", "StatisticsGen"),
            schema=site.output("schema", "ImportSchemaGen"),
            code=fingerprint("components.data_validation.validator"),
            spans=site.output("statistics", "RollingRange") if "RollingRange" in site.built else None,
        )

    def line(self, outputs: Outputs) -> str:
        """Return the names of the splits. An execution with anomalies fails and has no line."""
        return f"no anomalies in {', '.join(_splits(outputs['anomalies'][0]))}"


def _splits(artifact: Artifact) -> list[str]:
    return json.loads(artifact.split_names)
