"""TFX component of the Tuner.

TFX has a Tuner too. It takes a KerasTuner object, which cannot stop a trial by the results of the others and does not
resume the training of a trial that was killed; and it has no input for the choices of the node Defaults. This
component has the artifacts of TFX's.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components.choices import read_choices, write_choices
from components.tuning.pods import call_others
from components.tuning.results import write_trials
from components.tuning.search import search
from components.tuning.spec import TunerSpec


class TunerExecutor(base_executor.BaseExecutor):
    """Executor that searches, and writes the values of the best trial."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run the node.

        Args:
            input_dict: `examples`, `transform_graph` and `choices`.
            output_dict: `best_hyperparameters`, which gets `choices.json`; `tuner_results`, which gets `trials.json`.
            exec_properties: `tuner`, the spec as JSON; `custom_config`, see `components.training.run`, as JSON;
                `folder`, the folder of all searches.
        """
        choices = read_choices(artifact_utils.get_single_uri(input_dict["choices"]))
        arguments = SimpleNamespace(
            train_files=examples_utils.get_split_file_patterns(input_dict["examples"], "train"),
            eval_files=examples_utils.get_split_file_patterns(input_dict["examples"], "eval"),
            transform_output=artifact_utils.get_single_uri(input_dict["transform_graph"]),
            custom_config=json.loads(exec_properties["custom_config"]),
            hyperparameters=vars(choices),
            base_model=None,
        )
        spec = TunerSpec.model_validate_json(exec_properties["tuner"])
        workers = call_others(arguments, spec, exec_properties["folder"])
        found = search(arguments, spec, exec_properties["folder"], workers=workers)
        write_choices(artifact_utils.get_single_uri(output_dict["best_hyperparameters"]), found.choices)
        write_trials(
            artifact_utils.get_single_uri(output_dict["tuner_results"]), found.trials, found.best.number, found.space
        )


class TunerComponentSpec(component_spec.ComponentSpec):
    """Interface of the node."""

    PARAMETERS = {
        "tuner": component_spec.ExecutionParameter(type=str),
        "custom_config": component_spec.ExecutionParameter(type=str),
        "folder": component_spec.ExecutionParameter(type=str),
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        "choices": component_spec.ChannelParameter(type=standard_artifacts.HyperParameters),
    }
    OUTPUTS = {
        "best_hyperparameters": component_spec.ChannelParameter(type=standard_artifacts.HyperParameters),
        "tuner_results": component_spec.ChannelParameter(type=standard_artifacts.TunerResults),
    }


class Tuner(base_component.BaseComponent):
    """Node that searches for values of trainer keys."""

    SPEC_CLASS = TunerComponentSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TunerExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        choices: types.BaseChannel,
        tuner: TunerSpec,
        custom_config: dict[str, str],
        folder: str,
        code: str = "",
    ) -> None:
        """Create the node.

        Args:
            examples: Transformed examples, with the splits train and eval.
            transform_graph: Graph of Transform, with the vocabularies.
            choices: Choices of the node Defaults.
            tuner: Ranges and budget.
            custom_config: Configuration of the training: see `components.training.run`.
            folder: Folder of all searches, which outlives the execution.
            code: Fingerprint of the code. Changed code misses the cache.
        """
        super().__init__(
            TunerComponentSpec(
                examples=examples,
                transform_graph=transform_graph,
                choices=choices,
                tuner=tuner.model_dump_json(exclude_unset=True),
                custom_config=json.dumps(custom_config, sort_keys=True),
                folder=folder,
                code=code,
                best_hyperparameters=types.Channel(type=standard_artifacts.HyperParameters),
                tuner_results=types.Channel(type=standard_artifacts.TunerResults),
            )
        )
