"""Nodes ExampleGen and RollingRange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.ingest.spans.listing import has_spans
from components.node import Node, Outputs, Section, Site, Space, Specs

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode
    from tfx.types import Artifact

    from components.ingest.extent import Extent


_PACKED, _PACKED_ROW = 0.6, 10
"""Size of the packed Examples relative to the rows, and bytes of each row in addition."""
_TOKEN, _VALUE = 2, 18
"""Bytes that the format of an Example adds to each token and to each value of a row."""


class ExampleGenNode(Node):
    """Node that reads rows, splits them and writes tf.Examples."""

    name = "ExampleGen"
    step = "rows"
    looks_up_spans = True
    sections = (Section(50, "components.ingest:examples.html.j2"),)

    def build(self, site: Site) -> BaseNode:
        """Build the component for the newest of the spans, or for the whole source if it has no spans."""
        from pathlib import Path

        from components.code import fingerprint
        from components.ingest.component import example_gen

        code = fingerprint("components.ingest.component", *site.specs.data.source.source_modules)
        span = site.spans[-1] if site.spans else None
        return example_gen(site.columns, Path(), code=code, span=span).with_id(self.name)

    def space(self, specs: Specs, extent: Extent) -> Space:
        """Return the space of the packed Examples and, while rows are shuffled, of their unpacked pieces."""
        del specs
        pieces = extent.size + _TOKEN * extent.tokens + _VALUE * extent.rows * extent.columns
        return Space(examples_size(extent), pieces)

    def line(self, outputs: Outputs) -> str:
        """Return the number of rows per split, the numbers of bad, doubtful and too short rows, and odd values."""
        from components.ingest.counts import read_counts

        counts = read_counts(outputs["examples"][0].uri)
        parts = [_rows([counts])]
        if name := span_name(outputs["examples"][0]):
            parts[0] = f"span {name}, {parts[0]}"
        if events := counts.get("events"):
            parts[0] += f", of {events:,} events"
        if bad := sum(counts["bad"].values()):
            parts.append(f"{bad:,} bad rows left out (dead_letters.jsonl)")
        if doubtful := counts.get("doubtful"):
            parts.append(f"{doubtful:,} rows span lines that look like rows: is a quote unclosed? (dead_letters.jsonl)")
        if counts["short"]:
            parts.append(f"{counts['short']:,} too short")
        parts += counts.get("odd", [])
        return "; ".join(parts)

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the rows and labels of each split, and the rule of the splits; empty if RollingRange reports them."""
        return {} if "RollingRange" in run else _examples(run[self.name]["examples"])


class RollingRangeNode(Node):
    """Node that chooses the spans that train together: the rolling range."""

    name = "RollingRange"
    step = "span"
    looks_up_spans = True
    sections = (Section(70, "components.ingest:spans.html.j2"),)

    def present(self, specs: Specs) -> bool:
        """Return True if the source has spans."""
        return has_spans(specs.data.source)

    def build(self, site: Site) -> BaseNode:
        """Build the resolver of the examples and the statistics of the newest `data.num_spans` spans."""
        from components.compat.tfx.v1 import v1 as tfx
        from components.ingest.spans.rolling_range import RollingRange

        artifacts = tfx.types.standard_artifacts
        spans = tfx.dsl.Resolver(
            strategy_class=RollingRange,
            config={"num_spans": site.specs.data.num_spans or 0, "there": [*site.spans]},
            newest=site.output("examples", "ExampleGen"),
            examples=tfx.dsl.Channel(type=artifacts.Examples),
            statistics=tfx.dsl.Channel(type=artifacts.ExampleStatistics),
        ).with_id(self.name)
        spans.add_upstream_node(site.built["StatisticsGen"])  # The resolver finds the statistics only by their type.
        return spans

    def line(self, outputs: Outputs) -> str:
        """Return the first and last span, and the number of rows in all of them."""
        names = [span_name(examples) for examples in outputs["examples"]]
        span = f"{names[0]} to {names[-1]}, {len(names)} spans" if len(names) > 1 else f"{names[0]} alone"
        return f"{span}, {_rows(_counts(outputs['examples']))}"

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the rows and labels of each split over all spans, and the rows of each span."""
        from components.ingest.spans.rolling_range import span_of

        examples = run[self.name]["examples"]
        return {
            **_examples(examples),
            "spans": [
                {"span": span_of(artifact), "name": span_name(artifact), "rows": summed([artifact], "rows")}
                for artifact in examples
            ],
        }


def examples_size(extent: Extent) -> int:
    """Return the estimated size of the packed Examples of all splits in bytes."""
    return int(_PACKED * extent.size) + _PACKED_ROW * extent.rows


def span_name(examples: Artifact) -> str:
    """Return the display name of the span of these examples; empty if the data has no spans."""
    from components.ingest.driver import SPAN_NAME

    return examples.get_string_custom_property(SPAN_NAME) or ""


def summed(examples: Sequence[Artifact], count: str) -> dict[str, int]:
    """Return the sum over several `Examples` of a count by split: `rows` or `examples`."""
    counts = [each[count] for each in _counts(examples)]
    return {split: sum(count[split] for count in counts) for split in counts[0]}


def _counts(examples: Sequence[Artifact]) -> list[dict[str, Any]]:
    from components.ingest.counts import read_counts

    return [read_counts(artifact.uri) for artifact in examples]


def _examples(artifacts: Sequence[Artifact]) -> dict[str, Any]:
    from components.ingest.counts import read_unused

    rows, examples = summed(artifacts, "rows"), summed(artifacts, "examples")
    rule = _counts(artifacts)[-1].get("split_rule")
    unused = read_unused([artifact.uri for artifact in artifacts])
    return {
        "examples": {split: {"rows": n, "examples": examples[split]} for split, n in rows.items()},
        **({"split_rule": rule} if rule else {}),
        **({"unused": unused} if unused else {}),
    }


def _rows(counts: Sequence[Mapping[str, Any]]) -> str:
    """Return a text with the number of rows, in total and by split."""
    by_split = {split: sum(each["rows"][split] for each in counts) for split in counts[0]["rows"]}
    total = sum(each.get("source_rows", sum(each["rows"].values())) for each in counts)
    several = ", by the positions in each row" if total < sum(by_split.values()) else ""
    return f"{total:,} rows: {', '.join(f'{split} {n:,}' for split, n in by_split.items())}{several}"
