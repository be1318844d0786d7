"""Tests of the assumptions of the compat modules for TFX's drivers, launcher and metadata, and of the need for them."""

import errno
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.components.example_gen import driver as example_gen
from tfx.components.example_gen import utils
from tfx.dsl.compiler import compiler
from tfx.dsl.components.base import base_component, base_driver
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import base_driver as portable
from tfx.orchestration.portable import execution_publish_utils, launcher, runtime_parameter_utils
from tfx.orchestration.portable.mlmd import context_lib, execution_lib

from components.compat.tfx import drivers as tfx_drivers
from components.compat.tfx import launcher as tfx_launcher
from components.compat.tfx import metadata as tfx_metadata
from components.compat.tfx.v1 import v1 as tfx
from tests.components.crashes import disk_under


@tfx.dsl.components.component
def Count(
    rows: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples],
    to: tfx.dsl.components.Parameter[int],
):
    Path(rows.uri).mkdir(parents=True, exist_ok=True)
    Path(rows.uri, "rows").write_text(str(to))


@tfx.dsl.components.component
def Diverge(
    model: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Model],
    model_run: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ModelRun],
):
    for artifact, text in ((model, "half a model"), (model_run, "loss")):
        Path(artifact.uri).mkdir(parents=True, exist_ok=True)
        Path(artifact.uri, "written").write_text(text)
    raise ValueError("the loss is NaN")


@pytest.fixture
def pipeline(tmp_path: Path) -> tfx.dsl.Pipeline:
    return tfx.dsl.Pipeline(
        pipeline_name="counting",
        pipeline_root=str(tmp_path / "artifacts"),
        components=[Count(to=3)],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(tmp_path / "metadata.sqlite")
        ),
    )


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (compiler.Compiler.compile, "tfx_pipeline"),
        (runtime_parameter_utils.substitute_runtime_parameter, "msg parameter_bindings"),
        (runner_utils.extract_local_deployment_config, "pipeline"),
        (runner_utils.extract_executor_spec, "deployment_config node_id"),
        (runner_utils.extract_custom_driver_spec, "deployment_config node_id"),
        (
            launcher.Launcher,
            "pipeline_node mlmd_connection pipeline_info pipeline_runtime_spec executor_spec custom_driver_spec "
            "custom_executor_operators",
        ),
        (context_lib.prepare_contexts, "metadata_handle node_contexts"),
        (execution_lib.get_executions_associated_with_all_contexts, "metadata_handle contexts"),
        (execution_lib.get_output_artifacts, "metadata_handle execution_id"),
        (execution_lib.set_execution_result, "execution_result execution"),
        (execution_lib.get_execution_result, "execution ignore_parse_errors"),
        (portable.BaseDriver, "mlmd_connection"),
        (base_driver.BaseDriver, "metadata_handle"),
        (example_gen.FileBasedDriver.run, "self execution_info"),
        (utils.verify_split_pattern_specs, "split"),
        (
            utils._create_matching_glob_and_regex,
            "uri split is_match_span is_match_date is_match_version range_config",
        ),
        (
            utils._find_matched_span_version_from_path,
            "file_path split_regex_pattern is_match_span is_match_date is_match_version",
        ),
    ],
)
def test_tfx_has_the_function(function: Callable[..., Any], arguments: str) -> None:
    assert set(arguments.split()) <= set(inspect.signature(function).parameters)


def test_tfx_publishes_no_way_to_run_a_node_and_no_driver() -> None:
    assert set(tfx.orchestration.__all__) == {"LocalDagRunner", "experimental", "metadata"}
    assert not [name for name in dir(tfx.orchestration.metadata) if "execution" in name.lower()]
    assert not [name for name in (*tfx.dsl.__all__, *tfx.dsl.experimental.__all__) if "driver" in name.lower()]


def test_a_node_runs_by_itself_and_the_store_knows_its_execution_and_outputs(pipeline: tfx.dsl.Pipeline) -> None:
    ir = tfx_launcher.compiled(pipeline, "one")
    (node,) = [entry.pipeline_node for entry in ir.nodes]
    identity = tfx_launcher.launch(ir, node)
    with tfx_metadata.Metadata(tfx_launcher.connection(ir)) as handle:
        (execution,) = tfx_metadata.executions(handle, node)
        (made,) = tfx_metadata.outputs(handle, execution.id)["rows"]
        (run,) = tfx_metadata.run_contexts(handle, node)
    assert (execution.id, execution.last_known_state) == (identity, mlmd.Execution.COMPLETE)
    assert Path(made.uri, "rows").read_text() == "3"
    assert run.name == "one"


def test_the_outputs_are_on_the_disk_before_the_store_records_them(
    pipeline: tfx.dsl.Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, publish = [], execution_publish_utils.publish_succeeded_execution

    def look_and_publish(*arguments: Any, **options: Any) -> Any:
        seen.append({name: text for name, text in disk.after_crash().items() if name.startswith("artifacts/")})
        return publish(*arguments, **options)

    monkeypatch.setattr(execution_publish_utils, "publish_succeeded_execution", look_and_publish)
    ir = tfx_launcher.compiled(pipeline, "one")
    with disk_under(tmp_path, monkeypatch) as disk:
        identity = tfx_launcher.launch(ir, ir.nodes[0].pipeline_node)
    assert seen == [{f"artifacts/Count/rows/{identity}/rows": b"3"}]


def test_a_node_whose_outputs_cannot_be_synced_fails_without_outputs(
    pipeline: tfx.dsl.Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    ir = tfx_launcher.compiled(pipeline, "one")
    node = ir.nodes[0].pipeline_node
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output error: '.*/rows'"):
            tfx_launcher.launch(ir, node)
    with tfx_metadata.Metadata(tfx_launcher.connection(ir)) as handle:
        (execution,) = tfx_metadata.executions(handle, node)
    assert execution.last_known_state == mlmd.Execution.FAILED
    assert not list((tmp_path / "artifacts").rglob("rows/*"))


def test_temporary_folders_of_beam_and_tensorflow_do_not_remain(
    pipeline: tfx.dsl.Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_and_leave(self: Any, info: Any) -> Any:
        output = run(self, info)
        split = Path(info.output_dict["rows"][0].uri, "split")
        for name in ("beam-temp-rows-1", "variables_temp", "my_temp"):
            (split / name).mkdir(parents=True)
        (split / "variables.index").touch()
        return output

    operator = next(iter(launcher.DEFAULT_EXECUTOR_OPERATORS.values()))
    run = operator.run_executor
    monkeypatch.setattr(operator, "run_executor", write_and_leave)
    ir = tfx_launcher.compiled(pipeline, "one")
    tfx_launcher.launch(ir, ir.nodes[0].pipeline_node)
    found = sorted(path.name for path in tmp_path.glob("artifacts/Count/rows/*/**/*"))
    assert found == ["my_temp", "rows", "split", "variables.index"]


def test_logs_of_a_failed_training_remain(tmp_path: Path) -> None:
    node = Diverge()  # type: ignore[call-arg]
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="diverging", pipeline_root=str(tmp_path / "artifacts"), components=[node],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(tmp_path / "metadata.sqlite")
        ),
    )  # fmt: skip
    ir = tfx_launcher.compiled(pipeline, "one")
    with pytest.raises(ValueError, match="the loss is NaN"):
        tfx_launcher.launch(ir, ir.nodes[0].pipeline_node)
    assert [path.read_text() for path in tmp_path.glob("artifacts/*/*/*/written")] == ["loss"]


def test_a_pipeline_without_a_run_keeps_its_run_id_open(pipeline: tfx.dsl.Pipeline) -> None:
    assert not tfx_launcher.compiled(pipeline).runtime_spec.pipeline_run_id.HasField("field_value")
    given = tfx_launcher.compiled(pipeline, "one").runtime_spec.pipeline_run_id
    assert given.field_value.string_value == "one"


def test_a_cause_is_read_again_and_an_execution_without_one_has_none() -> None:
    execution = mlmd.Execution()
    assert tfx_metadata.cause(execution) == ""
    tfx_metadata.set_cause(execution, "the disk is full")
    assert tfx_metadata.cause(execution) == "the disk is full"
    tfx_metadata.set_cause(execution, "")
    assert tfx_metadata.cause(execution) == ""


def test_a_driver_is_of_the_compilers_class_and_of_the_launchers_and_adds_its_properties() -> None:
    class Driver(tfx_drivers.CacheKeyDriver):
        def added(self, properties: dict[str, Any]) -> dict[str, int | str]:
            return {"lost": 2, "hash": properties["path"]}

    assert not issubclass(base_driver.BaseDriver, portable.BaseDriver)
    assert not issubclass(portable.BaseDriver, base_driver.BaseDriver)
    assert base_component.BaseComponent.DRIVER_CLASS is base_driver.BaseDriver
    handle: Any = SimpleNamespace()
    info: Any = SimpleNamespace(input_dict={}, exec_properties={"path": "a"})
    found = Driver(handle).run(info).exec_properties
    assert (found["lost"].int_value, found["hash"].string_value) == (2, "a")


def test_a_driver_knows_the_artifacts_of_the_store(tmp_path: Path) -> None:
    class Driver(tfx_drivers.CacheKeyDriver):
        pass

    connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))
    handle = metadata.Metadata(connection)
    with handle:
        kind = handle.store.put_artifact_type(mlmd.ArtifactType(name="PushedModel"))
        handle.store.put_artifacts([mlmd.Artifact(type_id=kind, uri="serving/1")])
    found = Driver(handle).known(tfx.types.standard_artifacts.PushedModel)
    assert [artifact.uri for artifact in found] == ["serving/1"]


def test_a_driver_of_files_describes_the_examples_that_have_their_span(tmp_path: Path) -> None:
    class Driver(tfx_drivers.OpenFilesDriver):
        def describe(self, examples: mlmd.Artifact) -> None:
            span = examples.custom_properties[utils.SPAN_PROPERTY_NAME].int_value
            examples.custom_properties["name"].string_value = f"day {span}"

    for day in (3, 4):
        (tmp_path / f"day-{day}.csv").write_text("words\nthe state\n")
    examples = tfx.components.CsvExampleGen(
        str(tmp_path),
        tfx.proto.Input(splits=[tfx.proto.Input.Split(name="all", pattern="day-{SPAN}.csv")]),
        range_config=tfx.proto.RangeConfig(static_range=tfx.proto.StaticRange(start_span_number=3, end_span_number=3)),
    )
    info: Any = SimpleNamespace(
        exec_properties=dict(examples.exec_properties),
        output_dict={"examples": [tfx.types.standard_artifacts.Examples()]},
    )
    handle: Any = SimpleNamespace()
    output = Driver(handle).run(info)
    (described,) = output.output_artifacts["examples"].artifacts
    assert described.custom_properties["name"].string_value == "day 3"
    assert output.exec_properties[utils.SPAN_PROPERTY_NAME].int_value == 3


def test_tfx_lists_no_spans_in_public() -> None:
    public = [name for name in vars(utils) if "span" in name and not name.startswith("_")]
    assert sorted(public) == [
        "calculate_splits_fingerprint_span_and_version",
        "date_to_span_number",
        "get_pattern_for_span_version",
        "get_query_for_span",
        "span_number_to_date",
    ]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("{SPAN:3}/*.csv", [("007/a.csv", 7, ["007"]), ("010/b.csv", 10, ["010"])]),
        ("{SPAN}/{VERSION}.csv", [("5/1.csv", 5, ["5"]), ("5/2.csv", 5, ["5"])]),
        ("{YYYY}-{MM}-{DD}.csv", [("1970-01-03.csv", 2, ["1970", "01", "03"])]),
    ],
)
def test_the_files_of_all_spans_are_found(pattern: str, found: list[Any], tmp_path: Path) -> None:
    for name in ("007/a.csv", "010/b.csv", "all/a.csv", "5/1.csv", "5/2.csv", "1970-01-03.csv", "1970-01-xx.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(tfx_drivers.files_of_spans(str(tmp_path), pattern)) == [(f"{tmp_path}/{n}", s, d) for n, s, d in found]
