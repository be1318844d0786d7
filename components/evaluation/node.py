"""Nodes Resolver and Evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.evaluation.sections.charts import calibration, ranks
from components.node import Node, Outputs, Section, Site

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode

    from components.report.sections.measures import Margin


class ResolverNode(Node):
    """Node that finds the last blessed model."""

    name = "Resolver"

    def build(self, site: Site) -> BaseNode:
        """Build the resolver, which depends on the new model, so that it runs after the Trainer."""
        from components.compat.tfx.v1 import v1 as tfx
        from components.evaluation.last_blessed import LastBlessedModel

        return tfx.dsl.Resolver(
            strategy_class=LastBlessedModel,
            model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
            model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
            candidate=site.output("model", "Trainer"),
        ).with_id(self.name)

    def line(self, outputs: Outputs) -> str:
        """Return the number of the last blessed model, or a note that no model was blessed before."""
        from pathlib import Path

        found = outputs.get("model")
        return f"last blessed model: {Path(found[0].uri).name}" if found else "no model was blessed before"


class EvaluatorNode(Node):
    """Node that measures the model on the test split, and blesses a model that meets the thresholds."""

    name = "Evaluator"
    sections = (
        Section(10, "components.evaluation.sections:comparison.html.j2"),
        Section(20, "components.evaluation.sections:targets.html.j2"),
        Section(35, "components.evaluation.sections:reliability.html.j2", calibration),
        Section(33, "components.evaluation.sections:ranks.html.j2", ranks),
        Section(40, "components.evaluation.sections:slices.html.j2"),
        Section(45, "components.evaluation.sections:predictions.html.j2"),
    )

    def build(self, site: Site) -> BaseNode:
        """Build the component over the test split, with the last blessed model as TFX's baseline."""
        from components.code import fingerprint
        from components.evaluation.component import Evaluator
        from components.evaluation.config import eval_config
        from components.metrics.own import modules_of

        specs = site.specs
        code = fingerprint("components.evaluation.executor", *modules_of(specs.evaluation.metrics))
        return Evaluator(
            examples=site.output("test_examples", "Baselines"),
            model=site.output("model", "Trainer"),
            baseline_model=site.output("model", "Resolver"),
            eval_config=eval_config(specs.data, specs.evaluation, code),
            example_splits=["test"],
        )

    def line(self, outputs: Outputs) -> str:
        """Return the metrics of the label and of the further targets, or the thresholds that were missed."""
        from components.evaluation.results import read_results
        from components.metrics.headline import headline, target

        result = read_results(outputs["evaluation"][0].uri)
        first = headline(result["metrics"], own=result["own_metrics"])
        line = ", ".join([first, *(target(*item) for item in result["targets"].items())])
        line = "; ".join([line, *_equals(result["margins"])])
        return f"blessed: {line}" if result["blessed"] else f"NOT blessed: {'; '.join(result['failures'])}"

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the metrics, the reliability diagram, the baselines, the slices, the blessing, and what is shown."""
        from components.evaluation.results import read_results
        from components.evaluation.shown.file import read_shown
        from components.report.summary import evaluation_section

        folder = run[self.name]["evaluation"][0].uri
        return {**evaluation_section(read_results(folder)), **read_shown(folder)}


def _equals(margins: Sequence[Margin]) -> list[str]:
    """Return a note for each baseline that the model is equal to: `recall@10 equal to the trigram's within ...`."""
    from components.metrics.table import BY_NAME

    labels: dict[str, list[str]] = {}
    for margin in margins:
        if margin.equal:
            label = BY_NAME[margin.metric].label if margin.metric in BY_NAME else margin.metric
            labels.setdefault(margin.baseline, []).append(label)
    return [f"{' and '.join(of)} equal to the {name}'s within the interval" for name, of in labels.items()]
