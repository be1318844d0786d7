"""TFX component of the Defaults node."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components.choices import Choices, write_choices
from components.data_validation.statistics import split_statistics
from components.defaults.facts import described, facts_of
from components.defaults.followers import bigram_gain
from components.defaults.rules import are_items, choose
from components.files import matching
from components.ingest.spec import DataSpec


class DefaultsExecutor(base_executor.BaseExecutor):
    """Executor that chooses the values of unset keys."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run the node.

        Args:
            input_dict: `statistics` and `examples`, of each span.
            output_dict: `choices`, which gets `choices.json`.
            exec_properties: `data`, the spec as JSON; `trainer` and `vocabulary`, the set keys as JSON.
        """
        data = DataSpec.model_validate_json(exec_properties["data"])
        facts = facts_of((split_statistics(a.uri, "train") for a in input_dict["statistics"]), data)
        if are_items(facts, data):  # Of words it need not be known.
            files = matching(examples_utils.get_split_file_patterns(input_dict["examples"], "train"))
            facts = dataclasses.replace(facts, bigram_gain=bigram_gain(files, data))
        keys = (json.loads(exec_properties[name]) for name in ("trainer", "vocabulary"))
        found = choose(facts, data, *keys)
        uri = artifact_utils.get_single_uri(output_dict["choices"])
        write_choices(uri, Choices(found.trainer, found.vocabulary, found.reason, described(facts)))


class DefaultsSpec(component_spec.ComponentSpec):
    """Interface of the node."""

    PARAMETERS = {
        "data": component_spec.ExecutionParameter(type=str),
        "trainer": component_spec.ExecutionParameter(type=str),
        "vocabulary": component_spec.ExecutionParameter(type=str),
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    # TFX's Trainer reads this type of artifact: the node stands in the place of a Tuner.
    OUTPUTS = {"choices": component_spec.ChannelParameter(type=standard_artifacts.HyperParameters)}


class Defaults(base_component.BaseComponent):
    """Node that chooses the values of unset keys of `trainer` and `vocabulary` from the statistics of the data."""

    SPEC_CLASS = DefaultsSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DefaultsExecutor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        examples: types.BaseChannel,
        data: DataSpec,
        trainer: Mapping[str, Any],
        vocabulary: Mapping[str, Any],
        code: str = "",
    ) -> None:
        """Create the node.

        Args:
            statistics: Artifacts of StatisticsGen.
            examples: Artifacts of ExampleGen, with the split train.
            data: Meaning of the columns.
            trainer: Keys that the configuration sets under `trainer`.
            vocabulary: Keys that the configuration sets under `vocabulary`.
            code: Fingerprint of the code. Changed code misses the cache.
        """
        super().__init__(
            DefaultsSpec(
                statistics=statistics,
                examples=examples,
                data=data.model_dump_json(),
                trainer=json.dumps(trainer),
                vocabulary=json.dumps(vocabulary),
                code=code,
                choices=types.Channel(type=standard_artifacts.HyperParameters),
            )
        )
