"""Defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.node import Node, Outputs, Section, Site

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode


class DefaultsNode(Node):
    """Node that chooses the values of unset keys from the statistics of the data."""

    name = "Defaults"
    sections = (Section(35, "components.defaults:defaults.html.j2"),)

    def build(self, site: Site) -> BaseNode:
        """Build the component with the keys that the configuration sets."""
        from components.code import fingerprint
        from components.defaults.component import Defaults
        from components.defaults.rules import keys_read

        specs = site.specs
        set_keys = (spec.model_dump(mode="json", exclude_unset=True) for spec in (specs.trainer, specs.vocabulary))
        trainer, vocabulary = keys_read(specs.data, *set_keys)
        return Defaults(
            site.output("statistics", "RollingRange", "StatisticsGen"),
            site.output("examples", "RollingRange", "ExampleGen"),
            site.columns,
            trainer,
            vocabulary,
            code=fingerprint("components.defaults.component"),
        )

    def line(self, outputs: Outputs) -> str:
        """Return what was chosen, and why."""
        from components.choices import read_choices

        return read_choices(outputs["choices"][0].uri).reason

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the reason and the configuration that pins the choices."""
        import yaml

        from components.choices import read_choices

        choices = read_choices(run[self.name]["choices"][0].uri)
        keys = {"vocabulary": choices.vocabulary, "trainer": choices.trainer}
        pinned = {name: values for name, values in keys.items() if values}
        return {
            "defaults": {
                "reason": choices.reason,
                "facts": dict(choices.facts),
                "pinned": yaml.safe_dump(pinned, sort_keys=False) if pinned else "",
            }
        }
