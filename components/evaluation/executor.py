"""Executor of the Evaluator node."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.types import artifact_utils, standard_component_specs

from components.compat.tfma import eval_config_writer

# isort: split
from tfx.components.evaluator import executor

from components.evaluation import extractors
from components.evaluation.confidence.margins import margins, write_margins
from components.evaluation.config import read_slices, read_targets
from components.evaluation.current import CURRENT, Evaluation
from components.evaluation.row_sums import read_row_sums
from components.evaluation.shown.file import write_shown
from components.messages.counting import counted
from components.names import ROWS

Artifacts = dict[str, list[types.Artifact]]


class EvaluatorExecutor(executor.Executor):
    """Executor of the Evaluator that also writes the sums of each row, the margins, and predictions of a sample."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Run the node.

        Args:
            input_dict: Artifacts `examples`, the test rows with the sums of the baselines; `model`; and optionally
                `baseline_model`.
            output_dict: Artifacts `evaluation`, which also gets the files of `row_sums`, `margins` and `shown`; and
                `blessing`.
            exec_properties: Properties `eval_config` and `example_splits`, as in TFX.

        Raises:
            ValueError: A row lacks a feature of the Baselines node, or the eval signature of the model lacks an output.
        """
        folder = artifact_utils.get_single_uri(output_dict[standard_component_specs.EVALUATION_KEY])
        current = Evaluation(folder)
        token = CURRENT.set(current)
        try:
            hook = {standard_component_specs.MODULE_PATH_KEY: extractors.__name__}
            rows = sum(each.get_int_custom_property(ROWS) for each in input_dict[standard_component_specs.EXAMPLES_KEY])
            with counted("Evaluator", lambda: rows, "rows"):
                super().Do(input_dict, output_dict, {**exec_properties, **hook})
        finally:
            CURRENT.reset(token)
        config = eval_config_writer.load_eval_run(folder)[0]
        label, *_ = read_targets(config)
        write_margins(folder, margins(label, read_row_sums(folder, label)))
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        (examples,) = input_dict[standard_component_specs.EXAMPLES_KEY]
        write_shown(folder, model, examples, read_slices(config), label, current.load)
