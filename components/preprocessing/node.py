"""AnalyzerCache and Transform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.ingest.spans.listing import has_spans
from components.node import Node, Outputs, Section, Site, Space, Specs
from components.preprocessing.charts import coverage_charts

if TYPE_CHECKING:
    import tensorflow_transform as tft
    from tfx.dsl.components.base.base_node import BaseNode

    from components.ingest.extent import Extent

_ID, _NUMBER, _ROW = 2.2, 4, 12
"""Bytes of a token, of a number of a token, and of the rest of a row, in the packed rows of ids."""
_ENTRY = 11
"""Size of an entry of a vocabulary file: a token and its count."""
_GRAPH = 128 << 10
"""Size of the graph of the transformation."""
_TOP = 20
"""Entries of each vocabulary that the report shows."""


class AnalyzerCacheNode(Node):
    """Node that finds the counts of earlier spans, so that Transform counts only the new ones."""

    name = "AnalyzerCache"

    def present(self, specs: Specs) -> bool:
        """Return True if the source has spans."""
        return has_spans(specs.data.source)

    def build(self, site: Site) -> BaseNode:
        """Build the resolver, which accepts only counts that the same code and configuration made."""
        from components.compat.tfx.v1 import v1 as tfx
        from components.preprocessing.counted_before import CountedBefore

        return tfx.dsl.Resolver(
            strategy_class=CountedBefore,
            config={"custom_config": json.dumps(_custom_config(site))},
            examples=site.output("examples", "RollingRange"),
            cache=tfx.dsl.Channel(type=tfx.types.standard_artifacts.TransformCache),
        ).with_id(self.name)

    def line(self, outputs: Outputs) -> str:
        """Return the number of spans whose counts were found."""
        if not outputs.get("cache"):
            return "no span was counted before"
        from pathlib import Path

        from tfx.dsl.io import fileio

        counted = " ".join(map(str, fileio.listdir(outputs["cache"][0].uri)))
        known = sum(f"-{Path(e.uri).name}-Split-train" in counted for e in outputs["examples"])
        return f"{known} of {len(outputs['examples'])} spans were counted before"


class TransformNode(Node):
    """Node that counts the vocabularies, scales numbers and writes ids."""

    name = "Transform"
    sections = (Section(60, "components.preprocessing:vocabularies.html.j2", coverage_charts),)

    def build(self, site: Site) -> BaseNode:
        """Build the component. It analyzes the train split, and transforms the train and eval splits."""
        from tfx.proto import transform_pb2

        from components.preprocessing.component import Transform

        cache = site.output("cache", "AnalyzerCache") if "AnalyzerCache" in site.built else None
        transform = Transform(
            examples=site.output("examples", "RollingRange", "ExampleGen"),
            schema=site.output("schema", "ImportSchemaGen"),
            choices=site.output("choices", "Defaults"),
            preprocessing_fn="components.preprocessing.preprocessing.preprocessing_fn",
            splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
            custom_config=_custom_config(site),
            disable_statistics=True,
            analyzer_cache=cache,
            disable_analyzer_cache=cache is None,  # Nothing reads it as long as there is one span of data.
        )
        transform.add_upstream_node(site.built["ExampleValidator"])  # Learn only from data that the schema allows.
        return transform

    def space(self, specs: Specs, extent: Extent) -> Space:
        """Return the space of the rows of ids and of the vocabulary files, which are counted in another folder."""
        copies = 2 if specs.data.splits_positions else 1  # A row is in the train split and in the eval split.
        sizes = {specs.vocabulary.input_size, specs.vocabulary.labels}
        vocabularies = sum(_ENTRY * extent.distinct(size) for size in sizes)
        of_tokens = sum(_ID if is_text else _NUMBER for is_text in specs.data.token_columns.values())
        rows = int((_ID + of_tokens) * extent.tokens) + _ROW * extent.rows
        return Space(copies * rows + vocabularies + _GRAPH, 2 * vocabularies)

    def line(self, outputs: Outputs) -> str:
        """Return the sizes of the vocabularies, and the number columns that are constant or extreme."""
        from components.preprocessing.columns.numbers import describe, read_numbers
        from components.preprocessing.vocabulary import vocabularies

        output = _output(outputs)
        sizes = {name: len(vocabulary) for name, vocabulary in vocabularies(output).items()}
        line = f"vocabularies: {', '.join(f'{size:,} {name}' for name, size in sizes.items())}"
        return "; ".join([line, *describe(read_numbers(output))])

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the size, the most frequent entries and the coverage of each vocabulary."""
        from components.preprocessing.vocabulary import coverage, vocabularies

        return {
            "vocabularies": {
                name: {
                    "size": len(vocabulary),
                    "top": [
                        {"token": token, "count": int(count)}
                        for token, count in zip(vocabulary.tokens[:_TOP], vocabulary.counts[:_TOP], strict=True)
                    ],
                    "coverage": [
                        {"entries": entries, "share": share} for entries, share in coverage(vocabulary.counts)
                    ],
                }
                for name, vocabulary in vocabularies(_output(run[self.name])).items()
            }
        }


def _custom_config(site: Site) -> dict[str, str]:
    """Return Transform's configuration. The resolver of its cache compares the whole of it."""
    from components.code import fingerprint

    return {
        "data": site.columns.model_dump_json(),
        "vocabulary": site.specs.vocabulary.model_dump_json(exclude_unset=True),
        "code": fingerprint("components.preprocessing.preprocessing", "components.preprocessing.component"),
    }


def _output(outputs: Outputs) -> tft.TFTransformOutput:
    import tensorflow_transform as tft

    return tft.TFTransformOutput(outputs["transform_graph"][0].uri)
