"""Pusher."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.files import is_remote
from components.node import Node, Outputs, Site, Space, Specs
from components.pushing import records
from components.pushing.versions import versions

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode

    from components.ingest.extent import Extent


class PusherNode(Node):
    """Node that hands a blessed and servable model to the model server."""

    name = "Pusher"

    def build(self, site: Site) -> BaseNode:
        """Build the component, which requires the blessings of the Evaluator and the InfraValidator."""
        from components.code import fingerprint
        from components.pushing.component import pusher

        return pusher(
            model=site.output("model", "Trainer"),
            model_blessing=site.output("blessing", "Evaluator"),
            infra_blessing=site.output("blessing", "InfraValidator"),
            evaluation=site.output("evaluation", "Evaluator"),
            directory=site.serving,
            serving=site.specs.serving,
            card={
                "examples": site.output("examples", "RollingRange", "ExampleGen"),
                "transform_graph": site.output("transform_graph", "Transform"),
                "baselines": site.output("baselines", "Baselines"),
                "model_run": site.output("model_run", "Trainer"),
                "choices": site.output("choices", "Defaults"),
                **({"tuner_results": site.output("tuner_results", "Tuner")} if "Tuner" in site.built else {}),
            },
            about=_about(site),
            code=fingerprint("components.pushing.component"),
        )

    def space(self, specs: Specs, extent: Extent) -> Space:
        """Return the space of two copies of the export: the artifact, and the version for model servers."""
        from components.training.size import export_size, training_space

        return Space(2 * export_size(specs, extent), sure=training_space(specs, extent).sure)

    def line(self, outputs: Outputs) -> str:
        """Return the folder that the model was pushed to, with a rollback since then, or the reason for no push."""
        if place := _place(outputs):
            return f"pushed to {place}{_rollback(Path(place).parent) if not is_remote(place) else ''}"
        return f"not pushed: {outputs['pushed_model'][0].get_string_custom_property('reason') or 'not blessed'}"

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return `pushed`, and `pushed_to`, which is None for a model that was not pushed."""
        place = _place(run[self.name])
        return {"pushed": place is not None, "pushed_to": place}


def _about(site: Site) -> dict[str, Any]:
    """Return the name, the statements and the keys of the configuration, for the model card."""
    specs = site.specs
    sections = {
        "data": site.columns, "vocabulary": specs.vocabulary, "labels": specs.labels, "trainer": specs.trainer,
        "evaluation": specs.evaluation,
    }  # fmt: skip
    # Only the keys that are set. The other sections change no result.
    dumped = {
        name: section.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        for name, section in sections.items()
        if section is not None
    }
    return {
        "name": specs.name,
        "description": specs.description,
        "card": specs.card.model_dump(mode="json"),
        "configuration": {"name": specs.name, **{name: keys for name, keys in dumped.items() if keys}},
    }


def _place(outputs: Outputs) -> str | None:
    """Return the folder that the model was pushed to, or None if it was not pushed."""
    artifact = outputs["pushed_model"][0]
    if not artifact.get_int_custom_property("pushed"):
        return None
    return artifact.get_string_custom_property("pushed_destination")


def _rollback(directory: Path) -> str:
    """Return a note about a rollback that is in effect, which a run from the cache does not undo."""
    newest = max(versions(directory), default=0)
    record = records.read(directory / str(newest))
    if record is None or record.repeats is None:
        return ""
    return f"; servers see version {newest}, a rollback to version {record.repeats}"
