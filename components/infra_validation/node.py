"""InfraValidator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.node import Node, Outputs, Site

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode


class InfraValidatorNode(Node):
    """Node that loads the exported model in a child process and sends real rows to it."""

    name = "InfraValidator"

    def build(self, site: Site) -> BaseNode:
        """Build the component, which takes its rows from the test split."""
        from components.code import fingerprint
        from components.infra_validation.component import infra_validator

        return infra_validator(
            model=site.output("model", "Trainer"),
            examples=site.output("test_examples", "Baselines"),
            code=fingerprint("components.infra_validation.component"),
        )

    def line(self, outputs: Outputs) -> str:
        """Return the verdict, with the cause if the model is not servable."""
        cause = _cause(outputs)
        return f"NOT servable: {cause}" if cause else "servable: a child process loaded it and answered real requests"

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return `servable`, and `servable_cause`, which is None for a servable model."""
        cause = _cause(run[self.name])
        return {"servable": cause is None, "servable_cause": cause}


def _cause(outputs: Outputs) -> str | None:
    """Return the cause of a refusal, or None for a blessed model."""
    from components.infra_validation.executor import read_cause

    blessing = outputs["blessing"][0]
    if blessing.get_int_custom_property("blessed"):
        return None
    return read_cause(blessing.uri) or "the cause is in the log"
