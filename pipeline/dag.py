"""The DAG: one configuration in, one TFX pipeline out, the same for every runner."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Any

from tfx import v1 as tfx
from tfx.proto import transform_pb2

from components.code import fingerprint
from components.data_validation.schema_import import SchemaImporter
from components.data_validation.statistics_gen import StatisticsGen
from components.data_validation.validator import example_validator
from components.evaluation.component import Baselines
from components.evaluation.config import eval_config
from components.evaluation.last_blessed import LastBlessedModel
from components.infra_validation.component import infra_validator
from components.ingest.component import example_gen
from components.ingest.spec import DataSpec
from components.preprocessing.component import Transform
from components.pushing.component import pusher
from components.trainer.base_model import LastBlessedOnOtherData
from pipeline import store
from pipeline.config import Config
from pipeline.paths import Paths


def build(config: Config, paths: Paths) -> tfx.dsl.Pipeline:
    """The whole pipeline."""
    source = sources(config)
    statistics = source[-1].outputs["statistics"]
    examples = source[0].outputs["examples"]
    data = _columns(config).model_dump_json()
    evaluation = config.evaluation.model_dump_json()

    schema_importer = SchemaImporter(schema_file=schema_file(config)).with_id("ImportSchemaGen")
    schema = schema_importer.outputs["schema"]
    validator = example_validator(
        statistics=statistics, schema=schema, code=fingerprint("components.data_validation.validator")
    )
    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="components.preprocessing.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        custom_config={
            "data": data,
            "vocabulary": config.vocabulary.model_dump_json(),
            "code": fingerprint("components.preprocessing.preprocessing", "components.preprocessing.component"),
        },
        disable_statistics=True,
        disable_analyzer_cache=True,  # Nothing reads it as long as there is one span of data.
    )
    transform.add_upstream_node(validator)  # Nothing is learnt from data that the schema does not allow.
    baselines = Baselines(
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        data=_columns(config),
        evaluation=config.evaluation,
        code=fingerprint("components.evaluation.component"),
    )
    base = [_base_model(transform)] if config.trainer.warm_start else []
    trainer = tfx.components.Trainer(
        run_fn="components.trainer.run.run_fn",
        base_model=base[0].outputs["model"] if base else None,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config={
            "trainer": config.trainer.model_dump_json(),
            "data": data,
            "vocabulary": config.vocabulary.model_dump_json(),
            "evaluation": evaluation,
            "checkpoints": paths.checkpoints,
            "code": fingerprint("components.trainer.run", *config.trainer.model.source_modules),
        },
    )
    last = tfx.dsl.Resolver(
        strategy_class=LastBlessedModel,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
        candidate=trainer.outputs["model"],
    ).with_id("Resolver")
    evaluator = tfx.components.Evaluator(
        examples=baselines.outputs["test_examples"],
        model=trainer.outputs["model"],
        baseline_model=last.outputs["model"],
        eval_config=eval_config(config.data, config.evaluation, code=fingerprint("components.evaluation.metrics")),
        example_splits=["test"],
    )
    infra = infra_validator(
        model=trainer.outputs["model"],
        examples=baselines.outputs["test_examples"],
        code=fingerprint("components.infra_validation.component"),
    )
    push = pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=infra.outputs["blessing"],
        directory=paths.serving,
        code=fingerprint("components.pushing.component"),
    )
    nodes = [*source, schema_importer, validator, transform, baselines, *base, trainer, last, evaluator, infra, push]
    return pipeline_of(config, paths, nodes)


def _base_model(transform: tfx.dsl.components.BaseComponent) -> Any:
    """What a warm start starts from."""
    return tfx.dsl.Resolver(
        strategy_class=LastBlessedOnOtherData,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
        transform_graph=transform.outputs["transform_graph"],
    ).with_id("BaseModel")


def sources(config: Config) -> list[tfx.dsl.components.BaseComponent]:
    """What comes before the schema: the rows and their statistics."""
    examples = example_gen(_columns(config), Path(), code=fingerprint("components.ingest.component")).with_id(
        "ExampleGen"
    )
    statistics = StatisticsGen(
        examples.outputs["examples"], config.statistics, code=fingerprint("components.data_validation.statistics_gen")
    )
    return [examples, statistics]


def pipeline_of(config: Config, paths: Paths, nodes: list[tfx.dsl.components.BaseComponent]) -> tfx.dsl.Pipeline:
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=paths.artifacts,
        components=nodes,
        enable_cache=True,
        metadata_connection_config=store.connection(config.metadata, paths.metadata),
        beam_pipeline_args=[*config.beam.arguments()],
    )


def schema_file(config: Config) -> str:
    """The curated schema of the data; the default corpus brings its own."""
    return config.data.schema_file or str(importlib.resources.files("schemas") / "sotu" / "schema.pbtxt")


def _columns(config: Config) -> DataSpec:
    """What the columns mean, without what no component may depend on: a schema file that has just been written must not
    make everything run again."""
    return config.data.model_copy(update={"schema_file": None})
