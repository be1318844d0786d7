"""Baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.node import Node, Outputs, Site, Space, Specs

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode

    from components.ingest.extent import Extent

_REPACKED, _SUMS = 1.4, 35
"""Size of the test rows relative to the rows of ExampleGen, and bytes of the sums in each row."""
_TEST = 0.33
"""Share of the tokens in the rows of the test split, if one row is in several splits or a rule chooses the split."""
_MANY = 0.05
"""Least share of test labels outside the vocabulary that the terminal reports."""


class BaselinesNode(Node):
    """Node that measures counting models on the test split."""

    name = "Baselines"

    def build(self, site: Site) -> BaseNode:
        """Build the component, which reads the vocabularies of Transform and the chosen values of unset keys."""
        from components.baselines.component import Baselines
        from components.code import fingerprint
        from components.metrics.own import modules_of

        evaluation, head = site.specs.evaluation, site.specs.trainer.head
        own = evaluation.metrics
        # Only the keys that the baselines read, so that a change of another key does not invalidate the cache.
        kept = {"kind": head.mixture.kind, "max_ngrams": head.mixture.max_ngrams} if head.mixture else None
        return Baselines(
            examples=site.output("examples", "RollingRange", "ExampleGen"),
            transform_graph=site.output("transform_graph", "Transform"),
            choices=site.output("choices", "Defaults"),
            data=site.columns,
            bands=evaluation.bands,
            code=fingerprint("components.baselines.component", *modules_of(own)),
            metrics=own,
            mixture={
                **({"mixture": kept} if "mixture" in head.model_fields_set else {}),
                # The loss determines the nll of a baseline with probabilities.
                **({"loss": head.loss} if site.columns.several_labels else {}),
            },
            exclude_seen=evaluation.exclude_seen,
        )

    def space(self, specs: Specs, extent: Extent) -> Space:
        """Return the space of the test rows, to which the node adds its sums."""
        from components.ingest.node import examples_size

        shares = specs.data.splits.shares
        share = _TEST if specs.data.splits.form else shares["test"] / sum(shares.values())
        return Space(int(share * (_REPACKED * examples_size(extent) + _SUMS * extent.rows)))

    def line(self, outputs: Outputs) -> str:
        """Return the name and the metrics of the best counting model, or the metrics of the mean.

        If many labels of the test split are outside the vocabulary, say so.
        """
        from components.baselines.results import read_baselines
        from components.messages.formatting import share
        from components.metrics.headline import best_of, headline

        results = read_baselines(outputs["baselines"][0].uri)
        metrics = results["metrics"]
        if "mean" in metrics:
            return f"mean of the train split: {headline(metrics['mean'])}"
        best = best_of(metrics)
        line = f"best of {', '.join(metrics)}: {best}, {headline(metrics[best])}"
        test = results["labels_outside"]["test"]
        if test["outside"] < _MANY * test["labels"]:
            return line
        first = test["most_frequent"][0]["token"]
        part = share(test["outside"] / test["labels"])
        return f"{line}; {part} of the test labels are outside the vocabulary, most often {first!r}"

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the shares of tokens and labels that are out of vocabulary."""
        from components.baselines.results import read_baselines
        from components.ingest.spans.rolling_range import span_of

        results = read_baselines(run[self.name]["baselines"][0].uri)
        rates = results["out_of_vocabulary_rate"].items()
        # A label that is a number has no vocabulary, and no rate.
        known: dict[str, dict[str, Any]] = {
            name: {"out_of_vocabulary_rate": rate} for name, rate in rates if rate is not None
        }
        if outside := results.get("labels_outside"):
            known["labels"]["outside"] = outside
        section: dict[str, Any] = {"vocabularies": known}
        if "RollingRange" in run:
            spans = results.get("spans", {})
            section["spans"] = [
                {"out_of_vocabulary_rate": spans.get(str(span_of(artifact)), {})}
                for artifact in run["RollingRange"]["examples"]
            ]
        return section
