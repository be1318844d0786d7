from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pipeline.loading import ConfigurationError, check_files, load, preset_names

OWN = """\
name: mine
data:
  shape: labelled
  source: {kind: csv, path: rows.csv}
  inputs: [viewed]
  label: bought
  features:
    hour: {kind: number}
"""


def write(folder: Path, text: str) -> str:
    file = folder / "mine.yaml"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("quick", [False, True])
def test_every_preset_loads(name: str, quick: bool) -> None:
    assert load(name, quick=quick).description


def test_quick_changes_what_the_preset_says() -> None:
    assert load(quick=True) != load()


def test_set_is_applied_last() -> None:
    config = load(None, ["trainer.epochs=2.5", "evaluation.beat=[bigram]", "trainer.epochs=3"], quick=True)
    assert config.trainer.epochs == 3
    assert config.evaluation.beat == ["bigram"]


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    config = load(write(tmp_path, OWN))
    assert config.data.source.path == str(tmp_path / "rows.csv")


def test_a_schema_beside_the_configuration_is_found(tmp_path: Path) -> None:
    file = write(tmp_path, OWN)
    assert load(file).data.schema_file is None
    (tmp_path / "mine.schema.pbtxt").touch()
    assert load(file).data.schema_file == str(tmp_path / "mine.schema.pbtxt")


def test_all_faults_are_named_at_once_with_line_and_nearest_spelling(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        name: mine
        data:
          shape: labeled
          sorce: {kind: csv, path: rows.csv}
          inputs: [viewed]
          label: bought
        trainer:
          learning_rate: fast
        """,
    )
    with pytest.raises(ConfigurationError) as error:
        load(file, ["trainer.epohcs=2", "evaluation.beat=[bigrm]", "nonsense"])
    text = str(error.value)
    assert (
        f"{file}:3: data.shape: Input should be 'sequence' or 'labelled' (found 'labeled'); did you mean 'labelled'?"
        in text
    )
    assert f"{file}:4: unknown key data.sorce; did you mean 'source'?" in text
    assert "data.source is missing" in text
    assert f"{file}:8: trainer.learning_rate: " in text
    assert "--set trainer.epohcs=2: unknown key trainer.epohcs; did you mean 'epochs'?" in text
    assert "--set evaluation.beat=[bigrm]: evaluation.beat.0: " in text
    assert "did you mean 'bigram'?" in text
    assert "--set nonsense: expected key=value" in text


def test_a_key_that_stands_twice_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="mine.yaml:9: name stands twice, first in line 1"):
        load(write(tmp_path, OWN + "name: other\n"))


def test_a_file_that_is_no_yaml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mine.yaml:2: not YAML"):
        load(write(tmp_path, "name: mine\n\tdata: 1\n"))


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'shared_projection'"):
        load("shared_projektion")


def test_a_wrong_key_in_quick_is_a_fault_even_when_quick_is_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"quick: unknown key trainer.epoch; did you mean 'epochs'"):
        load(write(tmp_path, OWN + "quick: {trainer.epoch: 1}\n"))


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("data.label=null", "needs data.label"),
        ("data.label=viewed", "stands twice"),
        ("data.features={viewed: {kind: number}}", "both an input or label and a feature"),
        ("trainer.replicas=3", "cannot be dealt evenly to 3 replicas"),
        ("evaluation.beat=[trigram]", "the trigram is a baseline of sequences"),
        ("data.source={kind: csv}", "source.path is needed"),
        ("data.inputs=[item viewed]", "column 'item viewed' cannot be an input of a served model"),
        ("data.inputs=[viewed, Viewed]", "'viewed' and 'Viewed' differ in case alone"),
    ],
)
def test_what_does_not_fit_together(tmp_path: Path, setting: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        load(write(tmp_path, OWN), [setting])


def test_files_are_looked_for_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "row.csv").touch()
    with pytest.raises(ConfigurationError) as error:
        check_files(load(write(tmp_path, OWN)))
    assert "rows.csv is not there; did you mean 'row.csv'?" in str(error.value)
    assert "data.schema_file is missing" in str(error.value)
