"""Tests of a configuration that names a user's own class: its keys, and the line of each fault."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import load, loads

MODULE = """
from pydantic import Field, model_validator
from components.ingest.sources.base import PathSpec, Source, SourceSpec
from components.spec import Spec

class Part(Spec):
    width: int = 1

class MySpec(PathSpec):
    columns: list[str]
    width: int = Field(default=1, ge=1)
    parts: dict[str, Part] = {}

    @model_validator(mode="after")
    def _fits(self):
        if self.width > 9:
            raise ValueError("source.width: 9 at most")
        return self

class MySource(Source[MySpec]):
    Spec = MySpec
    def rows(self, part, used, lines):
        yield from ()

class NoRows(Source[MySpec]):
    pass

class NoSpec(Source):
    Spec = dict
    def rows(self, part, used, lines):
        yield from ()

class Other:
    pass
"""
HEAD = """\
name: mine
data:
  shape: sequence
  inputs: [words]
  source:
"""
GOOD = """\
    kind: made_up_kinds.sources:MySource
    path: rows.mine
    columns: [words]
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "made_up_kinds"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "sources.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith("made_up_kinds")]:
        del sys.modules[name]


def faults(folder: Path, source: str, *settings: str) -> list[str]:
    file = folder / "mine.yaml"
    file.write_text(HEAD + source)
    with pytest.raises(ConfigurationError) as error:
        load(str(file), settings)
    return str(error.value).replace(str(file), "mine.yaml").splitlines()


def test_keys_of_its_own_are_read(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(HEAD + GOOD)
    source = load(str(tmp_path / "mine.yaml"), ["data.source.width=3"]).data.source
    assert source.model_dump() == {
        "kind": "made_up_kinds.sources:MySource",
        "path": str(tmp_path / "rows.mine"),
        "train": None,
        "eval": None,
        "test": None,
        "columns": ["words"],
        "width": 3,
        "parts": {},
    }


def test_a_configuration_reaches_pods_as_text(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(HEAD + GOOD)
    for config in (load(str(tmp_path / "mine.yaml")), load("decades")):
        text = yaml.safe_dump(config.model_copy(update={"quick": {}}).model_dump(mode="json", exclude={"kubeflow"}))
        assert loads(text).data.source == config.data.source


KIND = "made_up_kinds.sources:MySource"


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (
            "made_up_kinds.source:MySource",
            "No module named 'made_up_kinds.source'; the module has to be installed, or on PYTHONPATH; "
            "did you mean 'made_up_kinds.sources'?",
        ),
        ("made_up_kinds.sources:MySorce", "made_up_kinds.sources has no class 'MySorce'; did you mean 'MySource'?"),
        ("made_up_kinds.sources:Other", "Other is not derived from components.ingest.sources.base.Source"),
        ("made_up_kinds.sources:NoRows", "NoRows has no rows()"),
        ("made_up_kinds.sources:NoSpec", "NoSpec.Spec is not derived from components.ingest.sources.spec.SourceSpec"),
        ("made_up_kinds.sources.MySource", "not of the form package.module:class"),
    ],
)
def test_a_wrong_path_is_one_line(tmp_path: Path, kind: str, fault: str) -> None:
    assert faults(tmp_path, GOOD.replace(KIND, kind)) == [f"mine.yaml:6: data.source.kind: {fault} (found {kind!r})"]


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("    widht: 3\n", "mine.yaml:9: unknown key data.source.widht; did you mean 'width'?"),
        (
            "    width: none\n",
            "mine.yaml:9: data.source.width: Input should be a valid integer, unable to parse string as an integer "
            "(found 'none')",
        ),
        (
            "    width: 0\n",
            "mine.yaml:9: data.source.width: Input should be greater than or equal to 1 (found 0)",
        ),
        ("    width: 10\n", "mine.yaml:5: data.source: source.width: 9 at most"),
        (
            "    parts:\n      first: {widht: 3}\n",
            "mine.yaml:10: unknown key data.source.parts.first.widht; did you mean 'width'?",
        ),
        (
            "    quote: none\n",
            f"mine.yaml:9: data.source.quote is a key of kind 'csv', but data.source.kind is '{KIND}'",
        ),
    ],
)
def test_a_wrong_key_is_named_with_its_line(tmp_path: Path, more: str, fault: str) -> None:
    assert faults(tmp_path, GOOD + more) == [fault]


LOSSES = """
from components.layers.forms.own import Own
from components.layers.forms.spec import HeadSpec

class MySpec(HeadSpec):
    share: float = 0.5

class MyForm(Own):
    Spec = MySpec
    def __init__(self, share):
        self.share = share
"""


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        ("form: made_up_kinds.losses:MyForm, shar: 1", "unknown key trainer.head.shar; did you mean 'share'?"),
        (
            "form: made_up_kinds.losses:MyFrom",
            "trainer.head.form: made_up_kinds.losses has no class 'MyFrom'; did you mean 'MyForm'? "
            "(found 'made_up_kinds.losses:MyFrom')",
        ),
        (
            "form: onw",
            "trainer.head.form: Input should be 'auto', 'shared', 'own' or 'full' (found 'onw'); did you mean 'own'?",
        ),
        ("form: own, share: 1", "unknown key trainer.head.share"),
        (
            "form: made_up_kinds.losses:MyForm, share: much",
            "trainer.head.share: Input should be a valid number, unable to parse string as a number (found 'much')",
        ),
    ],
)
def test_a_wrong_form_of_the_loss_is_one_line(tmp_path: Path, head: str, fault: str) -> None:
    (tmp_path / "made_up_kinds" / "losses.py").write_text(LOSSES)
    found = faults(tmp_path, GOOD + "trainer:\n  head: {" + head + "}\n")
    assert found == [f"mine.yaml:10: {fault}"]


def test_a_form_for_one_label_is_refused_for_several(tmp_path: Path) -> None:
    (tmp_path / "made_up_kinds" / "losses.py").write_text(
        LOSSES.replace("(Own)", "(Form)").replace(
            "from components.layers.forms.own import Own", "from components.layers.forms.base import Form"
        )
        + "    def losses(self, step):\n        return step.hidden[:, 0]\n"
    )
    more = "trainer:\n  head: {form: 'made_up_kinds.losses:MyForm'}\n"
    found = faults(tmp_path, GOOD + more, "data.shape=labelled", "data.label=b", "data.label_kind=classes")
    assert ["has only a loss for one label per row" in fault for fault in found] == [True]


def test_several_faults_are_reported_at_once(tmp_path: Path) -> None:
    found = faults(tmp_path, f"    kind: {KIND}\n    path: rows\n    widht: 1\n", "data.source.width=0", "data.shap=x")
    assert sorted(found) == [
        "--set data.shap=x: unknown key data.shap; did you mean 'shape'?",
        "--set data.source.width=0: data.source.width: Input should be greater than or equal to 1 (found 0)",
        "mine.yaml:5: data.source.columns is missing",
        "mine.yaml:8: unknown key data.source.widht; did you mean 'width'?",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "    kind: cvs\n    pth: x\n",
            [
                "mine.yaml:6: data.source.kind: Input should be 'sotu', 'tafeng', 'text', 'fasttext', "
                "'svmlight', 'csv', 'jsonl', 'parquet', 'tfrecord' or 'sql' (found 'cvs'); did you mean 'csv'?",
                "mine.yaml:7: unknown key data.source.pth; did you mean 'path'?",
            ],
        ),
        ("    path: x\n", ["mine.yaml:5: data.source.kind is missing"]),
        (
            "    kind: csv\n    path: x\n    qoute: none\n",
            ["mine.yaml:8: unknown key data.source.qoute; did you mean 'quote'?"],
        ),
        (
            "    kind: csv\n    path: x\n    quote: nine\n",
            ["mine.yaml:8: data.source.quote: Input should be 'double' or 'none' (found 'nine'); did you mean 'none'?"],
        ),
        (
            "    kind: jsonl\n    path: x\n    quote: none\n",
            ["mine.yaml:5: data.source: source.quote is of kind 'csv', not 'jsonl': remove it"],
        ),
        (
            "    kind: csv\n    path: x\n    spans: decades\n",
            ["mine.yaml:5: data.source: source.spans is of kind 'sotu': write {SPAN} into source.path"],
        ),
        (
            "    kind: sotu\n    path: x\n",
            ["mine.yaml:5: data.source: source.path is not used with kind 'sotu': remove it"],
        ),
        (
            "    kind: tafeng\n    path: x\n",
            ["mine.yaml:5: data.source: source.path is not used with kind 'tafeng': remove it"],
        ),
    ],
)  # fmt: skip
def test_faults_of_the_kinds_that_bigvocab_has(tmp_path: Path, source: str, expected: list[str]) -> None:
    assert faults(tmp_path, source) == expected
