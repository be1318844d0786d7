"""Tests that a model is pushed only with both blessings of this very model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.pushing import records, versions
from components.pushing.component import pusher
from components.pushing.executor import PusherExecutor
from components.pushing.node import PusherNode
from components.pushing.spec import ServingSpec

Inputs = dict[str, list[types.Artifact]]


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Return a model with both blessings."""
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    serving = tmp_path / "model" / "Format-Serving"
    serving.mkdir(parents=True)
    (serving / "saved_model.pb").write_bytes(b"graph")
    (serving / "assets").mkdir()
    (serving / "assets" / "labels").write_bytes(b"the\n")
    blessings = {}
    for key, kind in {
        "model_blessing": standard_artifacts.ModelBlessing,
        "infra_blessing": standard_artifacts.InfraBlessing,
    }.items():
        blessings[key] = kind()
        blessings[key].uri = str(tmp_path / key)
        blessings[key].set_int_custom_property("blessed", 1)
        blessings[key].set_string_custom_property("current_model", model.uri)
    return {"model": [model], **{key: [value] for key, value in blessings.items()}}


def _push(inputs: Inputs, directory: str, archive: str, **changes: Any) -> types.Artifact:
    pushed = standard_artifacts.PushedModel()
    pushed.uri = archive
    node = _node(directory, **changes)
    PusherExecutor(base_executor.BaseExecutor.Context()).Do(inputs, {"pushed_model": [pushed]}, node.exec_properties)
    return pushed


def _node(directory: str, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "model": types.Channel(type=standard_artifacts.Model),
        "model_blessing": types.Channel(type=standard_artifacts.ModelBlessing),
        "infra_blessing": types.Channel(type=standard_artifacts.InfraBlessing),
    }
    return pusher(**{**arguments, "directory": directory, "code": "1", **changes})


def test_a_model_with_both_blessings_is_pushed(inputs: Inputs, tmp_path: Path) -> None:
    pushed = _push(inputs, str(tmp_path / "serving"), str(tmp_path / "archive"))
    assert pushed.get_int_custom_property("pushed") == 1
    target = Path(pushed.get_string_custom_property("pushed_destination"))
    assert target.parent == tmp_path / "serving"
    assert target.name == pushed.get_string_custom_property("pushed_version")
    assert (target / "assets" / "labels").read_bytes() == b"the\n"
    assert (tmp_path / "archive" / "saved_model.pb").is_file()


def test_the_metrics_of_the_evaluation_are_recorded(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = standard_artifacts.ModelEvaluation()
    evaluation.uri = "evaluation"
    results = {"evaluation": {"metrics": {"nll": 4.0, "auc": None}, "previous": {"nll": 5.0}, "blessed": True}}
    monkeypatch.setattr("components.evaluation.results.read_results", results.get)
    _push({**inputs, "evaluation": [evaluation]}, str(tmp_path / "serving"), str(tmp_path / "archive"))
    (version,) = versions.versions(tmp_path / "serving")
    record = records.read(tmp_path / "serving" / str(version))
    assert record
    assert (record.metrics, record.previous) == ({"nll": 4.0, "auc": None}, {"nll": 5.0})
    assert record.digest == records.digest(Path(inputs["model"][0].uri, "Format-Serving"))


def test_old_versions_are_deleted_after_a_push(inputs: Inputs, tmp_path: Path) -> None:
    graph, kept = Path(inputs["model"][0].uri, "Format-Serving", "saved_model.pb"), []
    for number in range(4):
        graph.write_bytes(b"%d" % number)
        keep = ServingSpec(keep=2 if number == 3 else None)
        pushed = _push(inputs, str(tmp_path / "serving"), str(tmp_path / f"archive-{number}"), serving=keep)
        kept.append(int(pushed.get_string_custom_property("pushed_version")))
    assert versions.versions(tmp_path / "serving") == kept[-2:]


def test_a_model_is_pushed_even_if_old_versions_cannot_be_deleted(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("not permitted")

    monkeypatch.setattr(versions, "prune", fail)
    pushed = _push(inputs, str(tmp_path / "serving"), str(tmp_path / "archive"), serving=ServingSpec(keep=2))
    assert pushed.get_int_custom_property("pushed") == 1


def test_a_model_that_a_rollback_replaced_is_not_pushed(inputs: Inputs, tmp_path: Path) -> None:
    graph = Path(inputs["model"][0].uri, "Format-Serving", "saved_model.pb")
    for number in range(2):
        graph.write_bytes(b"%d" % number)
        _push(inputs, str(tmp_path / "serving"), str(tmp_path / f"archive-{number}"))
    rolled_back = versions.rollback(tmp_path / "serving")
    pushed = _push(inputs, str(tmp_path / "serving"), str(tmp_path / "archive"))
    assert pushed.get_int_custom_property("pushed") == 0
    assert "a rollback has replaced this model" in pushed.get_string_custom_property("reason")
    assert not (tmp_path / "archive").exists()
    assert rolled_back.name == str(versions.versions(tmp_path / "serving")[-1])


def test_the_line_of_the_node_names_a_rollback_since_the_push(inputs: Inputs, tmp_path: Path) -> None:
    graph = Path(inputs["model"][0].uri, "Format-Serving", "saved_model.pb")
    _push(inputs, str(tmp_path / "serving"), str(tmp_path / "archive-0"))
    graph.write_bytes(b"another graph")
    outputs = {"pushed_model": [_push(inputs, str(tmp_path / "serving"), str(tmp_path / "archive-1"))]}
    first, second = versions.versions(tmp_path / "serving")
    assert PusherNode().line(outputs) == f"pushed to {tmp_path}/serving/{second}"
    new = versions.rollback(tmp_path / "serving").name
    note = f"servers see version {new}, a rollback to version {first}"
    assert PusherNode().line(outputs) == f"pushed to {tmp_path}/serving/{second}; {note}"


@pytest.mark.parametrize("key", ["model_blessing", "infra_blessing"])
@pytest.mark.parametrize("state", ["negative", "no verdict", "another model", "empty", "not connected"])
def test_a_model_that_is_not_blessed_is_never_pushed(inputs: Inputs, tmp_path: Path, key: str, state: str) -> None:
    if state == "negative":
        inputs[key][0].set_int_custom_property("blessed", 0)
    elif state == "no verdict":
        inputs[key] = [type(inputs[key][0])()]
    elif state == "another model":
        inputs[key][0].set_string_custom_property("current_model", "/elsewhere")
    elif state == "empty":
        inputs[key] = []
    else:
        del inputs[key]
    pushed = _push(inputs, str(tmp_path / "serving"), str(tmp_path / "archive"))
    assert pushed.get_int_custom_property("pushed") == 0
    assert {"model_blessing": "Evaluator", "infra_blessing": "InfraValidator"}[
        key
    ] in pushed.get_string_custom_property("reason")
    assert not (tmp_path / "serving").exists()
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("key", ["model_blessing", "infra_blessing"])
def test_a_node_without_a_blessing_cannot_be_built(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        _node("serving", **{key: None})


@pytest.mark.parametrize("change", [{"code": "2"}, {"serving": ServingSpec(keep=2)}])
def test_changed_code_or_retention_is_another_cache_key(change: dict[str, Any]) -> None:
    assert _node("serving").exec_properties != _node("serving", **change).exec_properties


def test_a_remote_destination_gets_the_graph_last(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = "ram://serving"
    tf.io.gfile.makedirs(f"{directory}/99999999999")
    present = []
    copy_file = io_utils.copy_file

    def copy_and_look(source: str, target: str, overwrite: bool = False) -> None:
        if target.endswith("saved_model.pb") and target.startswith("ram:"):
            present.append(tf.io.gfile.exists(target.replace("saved_model.pb", "assets/labels")))
        copy_file(source, target, overwrite)

    monkeypatch.setattr(io_utils, "copy_file", copy_and_look)
    pushed = _push(inputs, directory, str(tmp_path / "archive"))
    assert present == [True]
    assert pushed.get_string_custom_property("pushed_destination") == f"{directory}/100000000000"

    def fail(*arguments: object) -> None:
        raise OSError("the connection broke")

    monkeypatch.setattr(io_utils, "copy_file", fail)
    with pytest.raises(OSError, match="broke"):
        _push(inputs, directory, str(tmp_path / "archive-2"))
    assert not tf.io.gfile.exists(f"{directory}/100000000001")
