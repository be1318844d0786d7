"""ExampleGen component of BigVocab."""

from __future__ import annotations

from pathlib import Path

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2, range_config_pb2

from components.ingest.driver import Driver
from components.ingest.executor import ExampleGenExecutor
from components.ingest.options.splits import SPLITS
from components.ingest.properties import pack
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec


class IngestExampleGen(FileBasedExampleGen):
    """Component that reads a source into tokenized tf.Examples, in splits train, eval and test.

    Component `outputs` contains:
     - `examples`: Channel of type `standard_artifacts.Examples`, gzip TFRecord. The folder of the artifact also has
       `counts.json`, `files.jsonl` and `dead_letters.jsonl`.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(ExampleGenExecutor)
    DRIVER_CLASS = Driver


def example_gen(data: DataSpec, root_of_config: Path, code: str, span: int | None = None) -> IngestExampleGen:
    """Return the ingestion node of a pipeline.

    Args:
        data: Configuration of the source and of the columns.
        root_of_config: Base folder of a relative `data.source.path`.
        code: Fingerprint of the code, which belongs to the cache key.
        span: Number of a span of the source. None: the newest span, or the source has no spans.
    """
    source = source_of(data.source)
    if paths := data.source.split_paths:  # The driver and the executor find the files of each split by its path.
        data = data.model_copy(update={"source": data.source.relative_to(root_of_config)})
        source = source_of(data.source.at(paths["train"]))
    base, pattern = source.place(root_of_config)
    shares = data.splits.shares
    return IngestExampleGen(
        input_base=base,
        input_config=example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="all", pattern=pattern)]),
        output_config=example_gen_pb2.Output(
            split_config=example_gen_pb2.SplitConfig(
                splits=[example_gen_pb2.SplitConfig.Split(name=s, hash_buckets=shares[s]) for s in SPLITS]
            )
        ),
        custom_config=pack(data, code),
        range_config=None if span is None else _one(span),
    )


def _one(span: int) -> range_config_pb2.RangeConfig:
    only = range_config_pb2.StaticRange(start_span_number=span, end_span_number=span)
    return range_config_pb2.RangeConfig(static_range=only)
