from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from components.layers.encoders.recurrent.spec import RecurrentSpec
from pipeline.config.errors import ConfigurationError
from pipeline.config.keys import RENAMED
from pipeline.config.loading import check_files, load
from pipeline.config.preset_files import preset_names

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
    assert load(write(tmp_path, OWN), ["inference.path=new/*.csv"]).inference.path == str(tmp_path / "new/*.csv")
    assert load(write(tmp_path, OWN), ["inference.path=gs://b/new"]).inference.path == "gs://b/new"


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
    shapes = "'sequence', 'labelled' or 'events'"
    assert f"{file}:3: data.shape: Input should be {shapes} (found 'labeled'); did you mean 'labelled'?" in text
    assert f"{file}:4: unknown key data.sorce; did you mean 'source'?" in text
    assert "data.source is missing" in text
    assert f"{file}:8: trainer.learning_rate: " in text
    assert "--set trainer.epohcs=2: unknown key trainer.epohcs; did you mean 'epochs'?" in text
    assert "--set evaluation.beat=[bigrm]: evaluation.beat.0: " in text
    assert "did you mean 'bigram'?" in text
    assert "--set nonsense: expected key=value" in text


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_names_the_new_one(tmp_path: Path, old: str) -> None:
    kinds = {"beam": "beam={kind: flink, endpoint: 'a:1'}", "trainer.model.shared": "trainer.model.kind=ten_inputs"}
    key = old.replace("*", "Trainer")
    with pytest.raises(ConfigurationError) as error:
        load(write(tmp_path, OWN), [*(kind for start, kind in kinds.items() if old.startswith(start)), f"{key}=1"])
    assert str(error.value) == f"--set {key}=1: {key} was renamed: use {key.rpartition('.')[0]}.{RENAMED[old]}"


def test_an_old_key_names_its_line_beside_all_other_faults(tmp_path: Path) -> None:
    quick = "quick: {data.window: 3}\n"
    file = write(tmp_path, OWN + "  window: 8\ntrainer:\n  validations: 2\n  epohcs: 3\n" + quick)
    with pytest.raises(ConfigurationError) as error:
        load(file)
    assert set(str(error.value).splitlines()) == {
        f"{file}: quick: data.window was renamed: use data.num_spans",
        f"{file}:9: data.window was renamed: use data.num_spans",
        f"{file}:11: trainer.validations was renamed: use trainer.validations_per_epoch",
        f"{file}:12: unknown key trainer.epohcs; did you mean 'epochs'?",
    }


def test_a_key_that_this_kind_never_had_was_not_renamed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown key trainer.model.heads"):
        load(write(tmp_path, OWN), ["trainer.model.kind=recurrent", "trainer.model.heads=2"])


def test_a_key_that_stands_twice_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="mine.yaml:9: duplicate key name, first in line 1"):
        load(write(tmp_path, OWN + "name: other\n"))


def test_a_key_may_override_a_merged_key(tmp_path: Path) -> None:
    config = load(write(tmp_path, OWN.replace("hour: ", "hour: &hour ") + "    shop: {<<: *hour, kind: category}\n"))
    assert [feature.kind for feature in config.data.features.values()] == ["number", "category"]


@pytest.mark.parametrize("text", ["", "- name\n", "!!set {name}\n"])
def test_a_file_without_keys_and_values_is_a_fault(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"mine.yaml: expected keys and values"):
        load(write(tmp_path, text))


@pytest.mark.parametrize("text", ["name: \x07\n", "name: a\n---\nname: b\n", "? [a]\n: b\n"])
def test_a_file_that_cannot_be_read_as_one_document_of_values_is_a_fault(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"mine.yaml(:\d)?: not YAML: "):
        load(write(tmp_path, text))


@pytest.mark.parametrize("value", ["2026-13-45", "!!int x", "!!bool 2"])
def test_a_value_that_its_type_does_not_have_names_the_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"mine.yaml:2: not YAML: '\S+' is not a valid (timestamp|int|bool)"):
        load(write(tmp_path, f"name: mine\ndescription: {value}\n"))
    with pytest.raises(ConfigurationError, match="the value is not YAML"):
        load("shared_projection", settings=[f"description={value}"])


def test_a_file_that_is_no_yaml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mine.yaml:2: not YAML"):
        load(write(tmp_path, "name: mine\n\tdata: 1\n"))


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'shared_projection'"):
        load("shared_projektion")


def test_a_wrong_key_in_quick_is_a_fault_even_when_quick_is_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"quick: unknown key trainer.epoch; did you mean 'epochs'"):
        load(write(tmp_path, OWN + "quick: {trainer.epoch: 1}\n"))


def test_quick_may_say_what_only_another_kind_has_when_it_sets_the_kind(tmp_path: Path) -> None:
    load(write(tmp_path, OWN + "quick: {trainer.model.units: 4, trainer.model.kind: recurrent}\n"))
    file = write(tmp_path, OWN + "quick: {trainer.model.units: 4}\n")
    with pytest.raises(ConfigurationError, match=r"mine.yaml: quick: trainer.model.units is a key of kind 'recurrent'"):
        load(file)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (["trainer.model.kind=recurent"], "trainer.model.kind: Input should be 'shared_projection', "),
        (["trainer.model.kind=recurent"], "(found 'recurent'); did you mean 'recurrent'?"),
        (["trainer.model.hiden=3"], "unknown key trainer.model.hiden; did you mean 'hidden'?"),
        (["trainer.model.kind=recurrent", "trainer.model.unit=3"], "trainer.model.unit; did you mean 'units'?"),
        (
            ["trainer.model.kind=recurrent", "trainer.model.units=0"],
            "trainer.model.units=0: trainer.model.units: Input",
        ),
        (
            ["trainer.model.units=3"],
            "trainer.model.units is a key of kind 'recurrent', but trainer.model.kind is 'shared_projection'",
        ),
        (["trainer.model=recurrent"], "--set trainer.model=recurrent: trainer.model: Input should be a"),
        (["trainer.epohcs.much=3"], "--set trainer.epohcs.much=3: unknown key trainer.epohcs; did you mean 'epochs'?"),
        (["data.features.hour.knid=number"], "unknown key data.features.hour.knid; did you mean 'kind'?"),
        (
            ["trainer.model.kind=shared_submodel", "trainer.model.submodel=[{Dens: {units: 3}}]"],
            "trainer.model.submodel: layer 0: keras.layers has no 'Dens'; did you mean 'Dense'?",
        ),
    ],
)
def test_a_key_is_named_as_it_was_written(tmp_path: Path, settings: list[str], fault: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(write(tmp_path, OWN), settings)
    assert fault in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_the_kind_may_be_set_after_a_key_of_it(tmp_path: Path) -> None:
    config = load(write(tmp_path, OWN), ["trainer.model.units=7", "trainer.model.kind=recurrent"])
    assert config.trainer.model.model_dump()["units"] == 7


def test_a_fault_in_a_kind_names_the_line(tmp_path: Path) -> None:
    file = write(tmp_path, OWN + "trainer:\n  model:\n    kind: recurrent\n    cell: lsmt\n    shared_units: 3\n")
    with pytest.raises(ConfigurationError) as error:
        load(file)
    text = str(error.value)
    assert (
        f"{file}:12: trainer.model.cell: Input should be 'lstm' or 'gru' (found 'lsmt'); did you mean 'lstm'?" in text
    )
    assert (
        f"{file}:13: trainer.model.shared_units is a key of kind 'ten_inputs', but trainer.model.kind is 'recurrent'"
        in text
    )


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("data.label=null", "needs data.label"),
        ("data.label=viewed", "stands twice"),
        ("data.features={viewed: {kind: number}}", "both an input or label and a feature"),
        ("trainer.replicas=3", r"is not divisible by trainer\.replicas \(3\)"),
        ("trainer.head.mixture=ngram", "mixture.kind: Input should be 'ngrams' .*did you mean 'ngrams'"),
        ("trainer.head.mixture={order: 3}", r"head\.mixture\.order: 3 requires shape 'sequence'; use 2"),
        ("evaluation.beat=[trigram]", "'trigram' requires shape 'sequence'; use 'popular' or 'bigram'"),
        ("evaluation.beat=[history]", "'history' requires data.tokenizer 'none'"),
        ("data.source={kind: csv}", "source.path is needed"),
        ("data.splits.leave_out=1", "data.splits.leave_out: only the tokens of shape 'sequence' have positions"),
        ("data.splits.leaveout=1", r"unknown key data\.splits\.leaveout; did you mean 'leave_out'"),
        ("data.splits.eval=7d", r"data\.splits\.eval: the relative size of a split is a whole number.*found '7d'"),
        ("data.splits={by_time: hour, eval: 1d}", "data.splits: by_time needs test: how long the split is"),
        ("data.inputs=[self]", "column 'self' cannot be an argument of a served model"),
        ("data.inputs=[user-os, user.os]", "'user-os' and 'user.os' are one argument, 'user_os'"),
        ("data.targets={hour: {kind: number}}", "data.targets: column 'hour' is also a feature"),
        ("data.targets={viewed: {kind: number}}", "data.targets: column 'viewed' is also an input"),
        ("data.targets={bought: {kind: category}}", "data.targets: column 'bought' is also the label"),
        ("data.targets={labels: {kind: category}}", "an output 'labels' already: rename the column"),
        ("data.targets={bigvocab/shop: {kind: category}}", "names that begin with 'bigvocab/' are the pipeline's own"),
        ("trainer.target_weights={shop: 2}", "trainer.target_weights: 'shop' is not one of data.targets"),
        ("trainer.target_weights={shop: -1}", "greater than or equal to 0"),
        ("evaluation.beat=[mean]", "'mean' requires data.label_kind 'number'"),
        ("inference.keep=[user]", "inference: keep, top and chosen need inference.path"),
        ("evaluation.max_rmse=3", "evaluation.max_rmse: the label is a class"),
        ("data.token_features={kind: {kind: category}}", "token_features: tokenizer 'words' splits a text into tokens"),
        ("data.token_features={kind: {kind: categry}}", "did you mean 'category'"),
    ],
)
def test_what_does_not_fit_together(tmp_path: Path, setting: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        load(write(tmp_path, OWN), [setting])


def test_faults_of_baskets_are_named_at_once(tmp_path: Path) -> None:
    settings = ["trainer.model.kind=basket", "trainer.head={repeats: true, form: own, loss: sigmoid}"]
    with pytest.raises(ConfigurationError) as error:
        load(write(tmp_path, OWN), settings)
    for fault in (
        "trainer.model.kind: 'basket' reads the ages of baskets: set data.baskets",
        "trainer.head.repeats: reads the ages of baskets: set data.baskets",
        "trainer.head.repeats: needs trainer.head.loss 'softmax', not 'sigmoid'",
        "trainer.head.repeats: its loss is over all classes, and trainer.head.form is 'own'",
    ):
        assert fault in str(error.value)
    with pytest.raises(ConfigurationError, match="trainer.examples: 'rows' has one label at each position"):
        load("next_basket", ["trainer.model={kind: recurrent}", "trainer.examples=rows", "trainer.head={}"])


def test_an_encoder_must_read_token_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["data.tokenizer=none", "data.token_features={kind: {kind: category}}", "trainer.model.kind=recurrent"]
    file = write(tmp_path, OWN)
    assert load(file, settings).data.token_features["kind"].top == 1_000
    # As an encoder of the user's own that does not set it.
    monkeypatch.setattr(RecurrentSpec, "token_features", False)
    with pytest.raises(ConfigurationError, match="the encoder 'recurrent' does not read them: use `Encoder.embedded`"):
        load(file, settings)


def test_files_of_splits_are_relative_to_the_configuration(tmp_path: Path) -> None:
    source = "data.source={kind: csv, train: train.csv, test: gs://bucket/test.csv}"
    config = load(write(tmp_path, OWN), [source, "data.splits={train: 95, eval: 5}"])
    assert config.data.source.paths == {"train": str(tmp_path / "train.csv"), "test": "gs://bucket/test.csv"}
    with pytest.raises(ConfigurationError, match=r"data.source.train: .*train.csv is not there"):
        check_files(config)


def test_files_are_looked_for_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "row.csv").touch()
    with pytest.raises(ConfigurationError) as error:
        check_files(load(write(tmp_path, OWN)))
    assert "rows.csv is not there; did you mean 'row.csv'?" in str(error.value)
    assert "data.schema_file is missing" in str(error.value)


def test_a_number_must_beat_its_mean_where_nothing_is_said(tmp_path: Path) -> None:
    file = write(tmp_path, OWN + "  label_kind: number\n")
    for settings, beaten in ([], ("mean",)), (["evaluation.max_rmse=3"], ("mean",)), (["evaluation.beat=[]"], ()):
        config = load(file, settings)
        assert config.evaluation.beaten(config.data) == beaten


def test_what_a_number_has_not_is_named_at_once_with_all_else(tmp_path: Path) -> None:
    file = write(tmp_path, OWN + "  label_kind: number\n  targets: {shop: {kind: category}}\n")
    with pytest.raises(ConfigurationError) as error:
        load(
            file,
            [
                "evaluation={beat: [popular], max_perplexity: 9, max_ece: .1, exclude_seen: true}",
                "trainer.target_weights={shopp: 1}",
            ],
        )
    text = str(error.value)
    assert "evaluation.beat: 'mean' is the only baseline of a label that is a number" in text
    assert "evaluation.exclude_seen: the label is a number" in text
    assert "evaluation.max_perplexity: the label is a number" in text
    assert "evaluation.max_ece: the label is a number" in text
    assert "trainer.target_weights: 'shopp' is not one of data.targets; did you mean 'shop'?" in text


def test_the_labels_of_a_sequence_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="data.label_kind 'number' needs shape 'labelled'"):
        load(None, ["data.label_kind=number"])


SEQUENCE = "name: mine\ndata: {shape: sequence, source: {kind: text, path: texts}, inputs: [words]}\n"


def test_causal_encoders_process_whole_rows_of_sequences(tmp_path: Path) -> None:
    def whole(text: str, *changes: str) -> bool:
        config = load(write(tmp_path, text), list(changes))
        return config.trainer.whole_rows(config.data.shape)

    assert whole(SEQUENCE, "trainer.model.kind=recurrent")
    assert whole(SEQUENCE, "trainer.model.kind=transformer", "trainer.examples=rows")
    assert whole(SEQUENCE, "trainer.model.kind=recurrent", "trainer.head.mixture=ngrams")
    assert whole(SEQUENCE, "trainer.model.kind=recurrent", "trainer.head.mixture=ngrams", "trainer.examples=rows")
    assert not whole(SEQUENCE, "trainer.model.kind=recurrent", "trainer.examples=windows")
    assert not whole(SEQUENCE)
    assert not whole(OWN, "trainer.model.kind=recurrent")


def test_whole_rows_of_other_encoders_or_shapes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="'rows' requires a causal encoder, and trainer.model.kind 'ten_inputs'"
    ):
        load(write(tmp_path, SEQUENCE), ["trainer.examples=rows", "trainer.model.kind=ten_inputs"])
    with pytest.raises(ConfigurationError) as error:
        load(write(tmp_path, OWN), ["trainer.examples=rows"])
    assert "trainer.examples: 'rows' requires data.shape 'sequence'" in str(error.value)
    assert "requires a causal encoder" in str(error.value)
