"""The DAG: one configuration in, one TFX pipeline out, the same for every runner."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfx import v1 as tfx
from tfx.proto import transform_pb2

from components.baselines.component import Baselines
from components.code import fingerprint
from components.data_validation.schema_import import SchemaImporter
from components.data_validation.statistics_gen import StatisticsGen
from components.data_validation.validator import example_validator
from components.evaluation.config import eval_config
from components.evaluation.last_blessed import LastBlessedModel
from components.infra_validation.component import infra_validator
from components.ingest.component import example_gen
from components.ingest.spans import has_spans
from components.ingest.spec import DataSpec
from components.ingest.window import Window
from components.metrics.own import modules_of
from components.preprocessing.component import Transform
from components.preprocessing.counted_before import CountedBefore
from components.pushing.component import pusher
from components.training.warm_start.base_model import LastBlessedOnOtherData
from pipeline.config.spec import Config
from pipeline.metadata import store
from pipeline.paths import Paths


def build(config: Config, paths: Paths, spans: Sequence[int] = ()) -> tfx.dsl.Pipeline:
    """The whole pipeline.

    Args:
        config: says what it does.
        paths: says where everything lies.
        spans: those that the source has, up to the one that is ingested; empty where it has none, and for nodes that
            neither ingest nor look for the window.
    """
    read = _read(config, spans)
    source, [schema_importer, validator] = read[:-2], read[-2:]
    examples = source[-1 if has_spans(config.data.source) else 0].outputs["examples"]
    schema = schema_importer.outputs["schema"]
    data = _columns(config).model_dump_json()
    own_metrics = modules_of(config.evaluation.metrics)

    transform_config = {
        "data": data,
        "vocabulary": config.vocabulary.model_dump_json(),
        "code": fingerprint("components.preprocessing.preprocessing", "components.preprocessing.component"),
    }
    counted = [_counted_before(examples, transform_config)] if has_spans(config.data.source) else []
    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="components.preprocessing.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        custom_config=transform_config,
        disable_statistics=True,
        analyzer_cache=counted[0].outputs["cache"] if counted else None,
        disable_analyzer_cache=not counted,  # Nothing reads it as long as there is one span of data.
    )
    transform.add_upstream_node(validator)  # Nothing is learnt from data that the schema does not allow.
    baselines = Baselines(
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        data=_columns(config),
        bands=config.evaluation.bands,
        code=fingerprint("components.baselines.component", *own_metrics),
        metrics=config.evaluation.metrics,
    )
    base = [_base_model(transform)] if config.trainer.warm_start else []
    trainer = tfx.components.Trainer(
        run_fn="components.training.run.run_fn",
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
            "bands": config.evaluation.bands.model_dump_json(),
            "metrics": json.dumps(config.evaluation.metrics),
            "checkpoints": paths.checkpoints,
            "code": fingerprint("components.training.run", *config.trainer.model.source_modules, *own_metrics),
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
        eval_config=eval_config(
            config.data, config.evaluation, code=fingerprint("components.evaluation.metrics", *own_metrics)
        ),
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
    nodes = [*read, *counted, transform, baselines, *base, trainer, last, evaluator, infra, push]
    return pipeline_of(config, paths, nodes)


def one_span(config: Config, paths: Paths, spans: Sequence[int]) -> tfx.dsl.Pipeline:
    """The part of the pipeline that an older span of the window takes: it is ingested and held against the schema."""
    return pipeline_of(config, paths, _read(config, spans))


def _read(config: Config, spans: Sequence[int]) -> list[Any]:
    """The nodes that know one span alone: `sources`, of spans the window too, ImportSchemaGen, ExampleValidator."""
    source = sources(config, spans[-1] if spans else None)
    statistics = source[-1].outputs["statistics"]
    if has_spans(config.data.source):
        source.append(_window(source[0], config.data.window, spans))
        source[-1].add_upstream_node(source[1])  # It finds the statistics by their type alone.
    schema_importer = SchemaImporter(schema_file=schema_file(config)).with_id("ImportSchemaGen")
    validator = example_validator(
        statistics=statistics,
        schema=schema_importer.outputs["schema"],
        code=fingerprint("components.data_validation.validator"),
        spans=source[-1].outputs["statistics"] if has_spans(config.data.source) else None,
    )
    return [*source, schema_importer, validator]


def _window(examples: tfx.dsl.components.BaseComponent, size: int | None, there: Sequence[int]) -> Any:
    """The spans that train together."""
    artifacts = tfx.types.standard_artifacts
    return tfx.dsl.Resolver(
        strategy_class=Window,
        config={"size": size or 0, "there": [*there]},
        newest=examples.outputs["examples"],
        examples=tfx.dsl.Channel(type=artifacts.Examples),
        statistics=tfx.dsl.Channel(type=artifacts.ExampleStatistics),
    ).with_id("Window")


def _counted_before(examples: tfx.types.BaseChannel, transform_config: dict[str, str]) -> Any:
    """What Transform need not count again."""
    return tfx.dsl.Resolver(
        strategy_class=CountedBefore,
        config={"custom_config": json.dumps(transform_config)},
        examples=examples,
        cache=tfx.dsl.Channel(type=tfx.types.standard_artifacts.TransformCache),
    ).with_id("AnalyzerCache")


def _base_model(transform: tfx.dsl.components.BaseComponent) -> Any:
    """What a warm start starts from."""
    return tfx.dsl.Resolver(
        strategy_class=LastBlessedOnOtherData,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
        transform_graph=transform.outputs["transform_graph"],
    ).with_id("BaseModel")


def sources(config: Config, span: int | None = None) -> list[tfx.dsl.components.BaseComponent]:
    """What comes before the schema: the rows, of one span if they come in spans, and their statistics."""
    code = fingerprint("components.ingest.component")
    examples = example_gen(_columns(config), Path(), code=code, span=span).with_id("ExampleGen")
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
    """What the columns mean, without what no component may depend on: neither a schema file that has just been written
    nor a span more may make everything run again."""
    return config.data.model_copy(update={"schema_file": None, "window": None, "span": None})
