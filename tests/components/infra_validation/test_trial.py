"""Tests of the trial of a model, in this process."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.infra_validation.answers import BrokenExport
from components.infra_validation.requests import requests_of
from components.infra_validation.trial import Served, try_model
from components.infra_validation.verdict import Verdict
from components.training.export.description import FILE

Export = Callable[..., Path]


@pytest.fixture
def records(rows: list[tf.train.Example]) -> list[bytes]:
    return [row.SerializeToString() for row in rows]


def _tried(model: Path, records: list[bytes]) -> tuple[Verdict, list[str]]:
    """Return the verdict and the steps before it."""
    steps: list[Verdict] = []
    return try_model(str(model), records, steps.append), [verdict.step for verdict in steps]


def test_answers_are_those_of_the_model_in_eager_mode(export: Export, records: list[bytes]) -> None:
    path = export()
    answer = Served(str(path)).answer(("serving_default", {"examples": np.array(records, object)}))
    eager = tf.saved_model.load(str(path)).signatures["serving_default"](  # pyright: ignore
        examples=tf.constant(records)
    )
    assert answer["labels"].tolist() == eager["labels"].numpy().tolist()
    np.testing.assert_allclose(answer["probabilities"], eager["probabilities"], rtol=1e-6)


def test_both_signatures_answer_alike(export: Export, records: list[bytes]) -> None:
    served = Served(str(export()))
    requests = requests_of(served.signatures, records)
    assert [name for name, _ in requests] == ["serving_default"] * 3 + ["predict"] * 2
    assert [inputs["examples"].tolist() for _, inputs in requests[:3]] == [[record] for record in records]
    first, columns = (inputs for _, inputs in requests[3:])
    assert first["words"].tolist() == [[b"the", b"state", b"of", b"the", b"union"]]
    assert columns["words"][1].tolist() == [b"to", b"congress", b"", b"", b""]
    assert np.isnan(columns["year"]).tolist() == [False, True, False]
    assert columns["president"].tolist() == [b"Truman", b"", b"Lincoln"]
    answers = [served.answer(request)["labels"].tolist() for request in requests]
    assert answers[0] + answers[1] + answers[2] == answers[4]
    assert answers[0] == answers[3]


def test_a_good_model_passes_every_step(export: Export, records: list[bytes]) -> None:
    verdict, steps = _tried(export(), records)
    assert verdict == Verdict(ok=True)
    assert steps[:2] == ["loading the model", "request 1 of 5, signature 'serving_default'"]
    assert steps[-1] == "request 5 of 5, signature 'predict'"


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("table", "loading the model: .*assets/labels"),
        ("variables", "loading the model: .*variables.data"),
        ("signature", "loading the model: the export has no signature 'predict', only"),
        ("metadata", "loading the model: ValueError: .*bigvocab.json is damaged"),
        ("nan", "request 1 of 5, signature 'serving_default': output 'probabilities' holds NaN"),
        ("empty", "empty label"),
        ("constant", "more than once"),
        ("k", r"'probabilities' has shape \(1, 3\) for 1 rows, not \(1, 4\)"),
    ],
)
def test_a_broken_export_is_refused(export: Export, records: list[bytes], fault: str, cause: str) -> None:
    verdict, _ = _tried(export(fault), records)
    assert verdict.ok is False
    assert not verdict.is_of_storage
    assert re.search(cause, verdict.cause), verdict.cause


def test_no_export_is_refused(tmp_path: Path, records: list[bytes]) -> None:
    verdict, _ = _tried(tmp_path / "model", records)
    assert verdict.ok is False
    assert "SavedModel file does not exist" in verdict.cause


def test_the_number_of_labels_may_not_change_between_answers(export: Export, records: list[bytes]) -> None:
    path = export("batch")
    (path / FILE).unlink()  # The file has the number of labels.
    verdict, steps = _tried(path, records)
    assert verdict.ok is False
    assert f"{steps[-1]}: output 'probabilities' has shape (3, 3) for 3 rows, not (3, 2)" == verdict.cause
    assert steps[-1] == "request 5 of 5, signature 'predict'"


def test_a_fault_of_the_file_system_is_not_the_models(
    export: Export, records: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any) -> None:
        raise PermissionError(13, "Permission denied", "/export/saved_model.pb")

    monkeypatch.setattr(tf.compat.v1.saved_model, "load", denied)
    verdict, _ = _tried(export(), records)
    assert (verdict.ok, verdict.is_of_storage) == (False, True)
    assert verdict.cause.startswith("Permission denied: /export/saved_model.pb")


def test_a_column_that_is_none_is_named(export: Export, records: list[bytes]) -> None:
    signatures = Served(str(export())).signatures
    with pytest.raises(BrokenExport, match="input 'words' is not a column; did you mean 'word'"):
        requests_of(signatures, records, ["word", "year", "president"])


def test_an_input_of_another_kind_is_named(export: Export, records: list[bytes]) -> None:
    signatures = Served(str(export())).signatures
    signatures["predict"].inputs["year"].dtype = tf.int64.as_datatype_enum
    with pytest.raises(BrokenExport, match="input 'year' is int64 of rank 1"):
        requests_of(signatures, records)
    with pytest.raises(BrokenExport, match="'serving_default' does not take serialized tf.Examples, but "):
        requests_of({**signatures, "serving_default": signatures["predict"]}, records)


def test_a_verdict_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "verdict"
    assert Verdict.read(file) == Verdict(step="starting")
    verdict = Verdict(step="loading the model", ok=False, cause="“é”\n", is_of_storage=True)
    verdict.write(file)
    assert Verdict.read(file) == verdict
    assert list(tmp_path.iterdir()) == [file]
