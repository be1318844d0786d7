"""Tests of the assumptions of `components.compat.tfx.executors`, and of the need for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator import executor as validator
from tfx.components.infra_validator import executor as infra_validator
from tfx.components.pusher import executor as pusher
from tfx.components.statistics_gen import executor as statistics_gen
from tfx.components.transform import executor as transform
from tfx.components.util import model_utils, tfxio_utils
from tfx.dsl.components.base import base_beam_executor, base_executor
from tfx.types import standard_artifacts

from components.compat.tfx import executors as tfx_executors


class BeamExecutor(tfx_executors.OpenBeamExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (transform.TransformProcessor._CreateTFXIO, "self dataset schema"),
        (transform.TransformProcessor._EncodeAndWrite, "schema file_format output_path"),
        (tfxio_utils.get_split_tfxio, "examples split telemetry_descriptors schema"),
        (validator.Executor._Validate, "self inputs outputs"),
        (pusher.Executor._MarkPushed, "self model_push pushed_destination pushed_version"),
        (pusher.Executor._MarkNotPushed, "self model_push"),
        (base_beam_executor.BaseBeamExecutor._make_beam_pipeline, "self"),
        (infra_validator._mark_blessed, "blessing"),
        (infra_validator._mark_not_blessed, "blessing"),
    ],
)
def test_tfx_has_the_step(function: Callable[..., Any], arguments: str) -> None:
    known = inspect.signature(inspect.unwrap(function)).parameters
    assert set(arguments.split()) <= set(known)


def test_transform_makes_its_processor_by_a_name_of_its_module() -> None:
    code = transform.Executor.Do.__code__
    assert "TransformProcessor" in code.co_names
    assert "processor" not in " ".join(inspect.signature(transform.Executor).parameters).lower()
    assert {"_CreateTFXIO", "_EncodeAndWrite"} <= _names(transform.TransformProcessor)


def test_statistics_gen_makes_its_source_by_a_function_of_another_module() -> None:
    assert {"tfxio_utils", "get_split_tfxio"} <= set(statistics_gen.Executor.Do.__code__.co_names)
    assert statistics_gen.tfxio_utils is tfxio_utils


def test_the_validator_compares_with_the_schema_alone() -> None:
    assert {"validate_statistics", "write_anomalies"} <= set(validator.Executor._Validate.__code__.co_names)
    assert not {"serving_statistics", "previous_statistics"} & set(inspect.getsource(validator).split())


def test_the_pusher_pushes_without_a_blessing() -> None:
    assert pusher.Executor(base_executor.BaseExecutor.Context()).CheckBlessing({}) is True


def test_a_beam_executor_has_no_public_name_for_its_pipeline_and_its_arguments() -> None:
    executor = base_beam_executor.BaseBeamExecutor
    assert [name for name in vars(executor) if not name.startswith("_")] == ["Context"]


def test_tfx_has_no_public_function_that_marks_an_infra_blessing() -> None:
    assert not [name for name in vars(infra_validator) if "mark_" in name and not name.startswith("_")]


def test_what_was_swapped_is_restored_also_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def do(self: Any, *arguments: Any) -> None:
        seen.append(
            (transform.TransformProcessor, tfxio_utils.get_split_tfxio([examples], "train", telemetry_descriptors=[]))
        )
        raise OSError("full")

    class Processor(tfx_executors.OpenTransformProcessor):
        pass

    class Transform(tfx_executors.OpenTransformExecutor):
        PROCESSOR = Processor

    class Statistics(tfx_executors.OpenStatisticsExecutor):
        def source(self, examples: types.Artifact, split: str) -> Any:
            return examples, split

    examples = standard_artifacts.Examples()
    processor, source = transform.TransformProcessor, tfxio_utils.get_split_tfxio
    monkeypatch.setattr(tfxio_utils, "get_split_tfxio", lambda *_, **__: None)
    monkeypatch.setattr(transform.Executor, "Do", do)
    with pytest.raises(OSError, match="full"):
        Transform().Do({}, {}, {})
    monkeypatch.undo()
    monkeypatch.setattr(statistics_gen.Executor, "Do", do)
    with pytest.raises(OSError, match="full"):
        Statistics().Do({}, {}, {})
    assert seen == [(Processor, None), (processor, (examples, "train"))]
    assert (transform.TransformProcessor, tfxio_utils.get_split_tfxio) == (processor, source)


def test_a_processor_hands_on_the_files_and_the_place() -> None:
    class Processor(tfx_executors.OpenTransformProcessor):
        def source(self, pattern: str, schema: Any) -> Any:
            return pattern, schema

        def sink(self, schema: Any, path: str) -> Any:
            return schema, path

    processor = Processor()
    dataset: Any = SimpleNamespace(file_pattern="data-*")
    schema: Any = "schema"
    assert processor._CreateTFXIO(dataset, schema) == ("data-*", schema)
    assert processor._EncodeAndWrite(schema=schema, file_format="tfrecord", output_path="out") == (schema, "out")


def test_anomalies_are_written_where_tfx_reads_them(tmp_path: Path) -> None:
    class Executor(tfx_executors.OpenValidatorExecutor):
        def anomalies(self, statistics: Any, schema: Any, folder: str) -> anomalies_pb2.Anomalies:
            return anomalies_pb2.Anomalies(anomaly_name_format=anomalies_pb2.Anomalies.SERIALIZED_PATH)

    (tmp_path / "Split-train").mkdir()
    folder = str(tmp_path / "Split-train")
    found = Executor()._Validate({"statistics": None, "schema": None}, {"schema_diff_path": folder})
    written = Path(folder, validator.DEFAULT_FILE_NAME).read_bytes()
    assert anomalies_pb2.Anomalies.FromString(written) == found


def test_a_pushed_model_is_marked_as_tfx_marks_it() -> None:
    executor = tfx_executors.OpenPusherExecutor(base_executor.BaseExecutor.Context())
    pushed, kept = standard_artifacts.PushedModel(), standard_artifacts.PushedModel()
    executor.mark_pushed(pushed, "serving/7", "7")
    executor.mark_not_pushed(kept)
    assert (pushed.get_int_custom_property("pushed"), kept.get_int_custom_property("pushed")) == (1, 0)
    assert pushed.get_string_custom_property("pushed_destination") == "serving/7"
    assert pushed.get_string_custom_property("pushed_version") == "7"


def test_a_beam_executor_makes_a_pipeline_with_its_arguments() -> None:
    # With an image named, TFX does not build a source package of itself for remote workers.
    arguments: list[Any] = ["--runner=FnApiRunner", "--sdk_container_image=none", "--job_name=counting"]
    executor = BeamExecutor(base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=arguments))
    assert set(arguments) <= set(executor.beam_args)
    assert executor.beam_pipeline().options.view_as(GoogleCloudOptions).job_name == "counting"


def test_an_infra_blessing_is_marked_as_tfx_reads_it(tmp_path: Path) -> None:
    blessings = [standard_artifacts.InfraBlessing() for _ in range(2)]
    for blessing, is_blessed in zip(blessings, (True, False), strict=True):
        blessing.uri = str(tmp_path / str(is_blessed))
        tfx_executors.mark_infra_blessing(blessing, is_blessed=is_blessed)
    assert [model_utils.is_infra_validated(blessing) for blessing in blessings] == [True, False]
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*_BLESSED")) == [
        "False/INFRA_NOT_BLESSED",
        "True/INFRA_BLESSED",
    ]


def _names(kind: type) -> set[str]:
    """Return the names used in the methods of a class."""
    codes = [each.__code__ for each in vars(kind).values() if inspect.isfunction(each)]
    return {name for code in codes for name in code.co_names}
