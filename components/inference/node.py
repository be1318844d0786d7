"""Node BulkInferrer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.files import is_remote
from components.node import Node, Outputs, Section, Site, Specs

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode


class BulkInferrerNode(Node):
    """Node that writes the answers of the model of the run for files of rows."""

    name = "BulkInferrer"
    sections = (Section(45, "components.inference:inference.html.j2"),)

    def present(self, specs: Specs) -> bool:
        """Return True if the configuration sets `inference.path`."""
        return specs.inference.path is not None

    def build(self, site: Site) -> BaseNode:
        """Build the component, which requires a pushed, and therefore blessed, model."""
        from components.code import fingerprint
        from components.inference.component import BulkInferrer

        data = site.columns
        return BulkInferrer(
            pushed_model=site.output("pushed_model", "Pusher"),
            inference=site.specs.inference,
            data=data,
            code=fingerprint("components.inference.component", *data.source.source_modules),
        )

    def prepare(self, specs: Specs) -> None:
        """Check the files of rows before a model is trained for them.

        Raises:
            ValueError: A file is missing, or its rows cannot be used.
        """
        path = specs.inference.path
        if path is None or is_remote(path):  # Object stores need TensorFlow, which must not be used yet.
            return
        from components.inference.errors import PredictError
        from components.inference.files import checked

        try:
            checked(specs.inference, specs.data, lambda line: None)
        except PredictError as error:
            raise ValueError(str(error)) from error

    def line(self, outputs: Outputs) -> str:
        """Return the numbers of rows and unusable rows and the folder, or the reason for missing answers."""
        found = _results(outputs)
        if found["refusal"]:
            return f"nothing was answered, because the model was not pushed: {found['refusal']}"
        parts = [
            f"{found['rows']:,} rows of {found['files']:,} files" if found["files"] > 1 else f"{found['rows']:,} rows"
        ]
        if found["unusable"]:
            parts.append(f"{found['unusable']:,} unusable (errors-*.jsonl)")
        parts += found["warnings"][:1]
        return f"{'; '.join(parts)} -> {outputs['inference_result'][0].uri}"

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the section `inference`."""
        outputs = run[self.name]
        return {"inference": {**_results(outputs), "folder": outputs["inference_result"][0].uri}}


def _results(outputs: Outputs) -> dict[str, Any]:
    from components.inference.results import read_results

    return read_results(outputs["inference_result"][0].uri)
