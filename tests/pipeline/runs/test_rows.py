"""Tests of whole runs on labelled rows, one after the other under the same root."""

from __future__ import annotations

import json
import random
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import encoders
from benchmarks.commands.trainings import transformed
from benchmarks.trainings import Reached, Training, main
from pipeline.config.loading import load
from tests.forks import ForkServer
from tests.pipeline.cli.prediction.tiny_model import same
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import csv_configuration
from tests.pipeline.whole_runs import answers, cached, check, evaluated_alike, run, summary, versions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def labelled(bigvocab: Bigvocab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = csv_configuration(tmp_path_factory.mktemp("labelled"))
    _add_numbers(file)
    result = run(bigvocab, file)
    check(file, result)
    return file


def _add_numbers(file: Path) -> None:
    """Add two features that say nothing about the label: the same number in each row, and very large numbers."""
    rows, rng = file.parent / "rows.csv", random.Random(0)
    header, *lines = rows.read_text(encoding="utf-8").splitlines()
    more = (f"{line},19.99,{10 ** rng.uniform(18, 24):.0f}" for line in lines)
    rows.write_text("\n".join([f"{header},fee,wei", *more, ""]), encoding="utf-8")
    features = "features: {year: {kind: number}, fee: {kind: number}, wei: {kind: number}}"
    file.write_text(file.read_text().replace("features: {year: {kind: number}}", features))


def test_labelled_rows_of_a_csv(labelled: Path, bigvocab: Bigvocab) -> None:
    found = summary(labelled)
    assert sum(found["examples"][split]["rows"] for split in ("train", "eval", "test")) == 12_000
    assert {entry["slice"] for entry in found["slices"]} == {"decade"}
    assert set(found["baselines"]) == {"popular", "bigram", "cooccurrence", "history"}
    assert found["baselines"]["cooccurrence"]["nll"] is None
    assert 0 < found["baselines"]["history"]["recall_at_10"] < found["baselines"]["cooccurrence"]["recall_at_10"]
    recall, perplexity = found["margins"]
    best = max(found["baselines"].values(), key=lambda metrics: metrics["recall_at_10"])["recall_at_10"]
    assert recall["value"] == pytest.approx(found["metrics"]["recall_at_10"] - best)
    assert recall["low"] < recall["value"] < recall["high"]
    assert (perplexity["metric"], perplexity["baseline"]) == ("perplexity", "bigram")
    assert recall["rows"] == found["examples"]["test"]["rows"]
    fees = [{"fee": 19.99}, {"fee": 20.99}, {}]
    first, *others = answers(bigvocab, labelled, [{"before": "the", "last": "united", "year": 2020, **f} for f in fees])
    assert first[0]["label"] == "states"
    assert same(others, [first, first])  # The model has seen one fee: another says as little.


def test_the_pushed_model_has_the_same_figures_on_the_test_rows(labelled: Path, bigvocab: Bigvocab) -> None:
    evaluated_alike(bigvocab, labelled)


def test_runs_are_compared_on_the_stored_test_rows_and_listed(labelled: Path, bigvocab: Bigvocab) -> None:
    root, moved = labelled.parent / "runs" / "words", labelled.parent / "runs" / "moved"
    for part in ("serving", "report"):
        shutil.copytree(root / part, moved / part)
    shutil.copy(root / "metadata.sqlite", moved)
    try:
        result = bigvocab("compare", "runs/words", "runs/moved", "--json", "-", folder=labelled.parent)
        listed = bigvocab("runs", "--json", folder=labelled.parent)
    finally:
        shutil.rmtree(moved)
    assert (result.returncode, result.stderr) == (0, "")
    found, expected = json.loads(result.stdout), summary(labelled)
    assert (found["settings"], found["notes"], found["rows"]) == ([], [], "test split of words")
    whole, *others = found["groups"]
    assert {group["kind"] for group in others} == {"band", "slice"}
    for name, value in whole["models"][1].items():
        assert value == pytest.approx(expected["metrics"][name], rel=1e-5), name
    for margin in whole["margins"][0]:
        same = 1.0 if margin["measure"] == "ratio" else 0.0
        assert (margin["value"], margin["low"], margin["high"]) == (same, same, same)
    assert found["cases"][0]["rows_first"] == 0
    assert {run["name"] for run in json.loads(listed.stdout)} == {"words", "moved"}


def test_the_pushed_version_is_listed_with_the_figures_of_the_run(labelled: Path, bigvocab: Bigvocab) -> None:
    result = bigvocab("versions", labelled.name, "--json", folder=labelled.parent)
    assert result.returncode == 0, result.stderr
    (version,) = json.loads(result.stdout)
    expected = summary(labelled)["metrics"]
    assert version["metrics"].items() >= {name: expected[name] for name in ("recall_at_10", "perplexity")}.items()
    assert [str(version["version"])] == versions(labelled)
    assert version["current"] is True


def test_encoders_and_losses_are_compared_on_its_data(
    labelled: Path, bigvocab: Bigvocab, forks: ForkServer, tmp_path: Path
) -> None:
    """Check that each encoder and each loss learns, in a second of time or in a few steps."""
    compared = bigvocab(
        "bench", "encoders", "words.yaml", "--only", "concatenation", "--seeds", "1", "--cpu-minutes", "0.02",
        folder=labelled.parent,
    )  # fmt: skip
    assert compared.returncode == 0, compared.stderr
    assert re.search(r"^\| concatenation \|", compared.stdout, re.MULTILINE)
    trainings = [
        Training(form, {"model": encoders.CONCATENATION, "head": {"form": form}}, seed=1, steps=20)
        for form in ("full", "own")
    ]
    data = transformed(load(str(labelled), []), labelled.parent / "runs" / "words")
    # The command has shown that a training works as a program: the others are forked, without its imports.
    ended = [
        forks.start(
            main, json.dumps({"data": asdict(data), "training": asdict(training)}),
            out=tmp_path / training.name, err=tmp_path / f"{training.name}.err", modules=["components.training.run"],
        )
        for training in trainings
    ]  # fmt: skip
    for training, code in zip(trainings, ended, strict=True):
        assert code.result() == 0, (tmp_path / f"{training.name}.err").read_text()
        reached = Reached(**json.loads((tmp_path / training.name).read_text().splitlines()[-1]))
        # 801 classes: the nll of an untrained model is 6.7.
        assert 3 < reached.nll < 6.5
        assert reached.steps == 20


def test_nothing_changed_is_all_cached(labelled: Path, bigvocab: Bigvocab) -> None:
    before = versions(labelled)
    result = run(bigvocab, labelled)
    assert result.returncode == 0, result.stdout
    assert cached(labelled), result.stdout
    assert versions(labelled) == before


def test_new_rows_are_answered_in_bulk(labelled: Path, bigvocab: Bigvocab) -> None:
    new = labelled.parent / "new.csv"
    new.write_text("before,last,year,user\nthe,united,2020,u1\n,,2020,u2\nof,the,2020,u3\n", encoding="utf-8")
    options = ("--infer", "new.csv", "--keep", "user")
    result = run(bigvocab, labelled, *options)
    assert re.search(
        r"BulkInferrer .* s   3 rows; 1 unusable \(errors-\*\.jsonl\) -> \S+$", result.stdout, re.MULTILINE
    )
    found = summary(labelled)
    assert [node["name"] for node in found["nodes"] if not node["cached"]][-1] == "BulkInferrer"
    assert (found["inference"]["rows"], found["inference"]["unusable"]) == (3, 1)
    folder = Path(found["inference"]["folder"])
    asked = bigvocab("predict", "--input", *options[1:], "--output", "new.jsonl", folder=labelled.parent)
    assert asked.returncode == 0, asked.stderr
    assert (folder / "answers-00000-of-00001.jsonl").read_bytes() == (labelled.parent / "new.jsonl").read_bytes()
    assert (labelled.parent / "runs" / "words" / "report" / "report.html").read_text().count("Answers in bulk") == 1

    again = run(bigvocab, labelled, *options)
    assert cached(labelled), again.stdout
    assert summary(labelled)["inference"] == found["inference"]
    with new.open("a", encoding="utf-8") as file:
        file.write("the,united,2021,u4\n")
    run(bigvocab, labelled, *options)
    assert summary(labelled)["inference"]["rows"] == 4
    assert not cached(labelled)

    wrong = run(bigvocab, labelled, "--infer", "news.csv")
    assert wrong.returncode == 2
    assert "inference.path: no file matches" in wrong.stdout + wrong.stderr
    assert "did you mean 'new.csv'?" in wrong.stdout + wrong.stderr


def test_a_model_that_is_not_good_enough_is_not_pushed(labelled: Path, bigvocab: Bigvocab) -> None:
    before = versions(labelled)
    result = run(bigvocab, labelled, "--set", "evaluation.max_perplexity=1.5", "--infer", "rows.csv")
    assert "NOT blessed" in result.stdout
    assert re.search(r"perplexity is [\d.]+: at most 1.5 is wanted", result.stdout)
    assert summary(labelled)["blessed"] is False
    assert not summary(labelled)["pushed"]
    assert "nothing was answered, because the model was not pushed: the Evaluator has not blessed it" in result.stdout
    assert summary(labelled)["inference"]["rows"] == 0
    assert versions(labelled) == before


def test_classes_that_are_all_too_rare_are_refused_before_anything_trains(labelled: Path, bigvocab: Bigvocab) -> None:
    result = run(bigvocab, labelled, "--set", "vocabulary.min_count=100000")
    assert result.returncode == 1
    assert "\nTransform failed. data.inputs: no token of 'before', 'last' is seen 100,000 times" in result.stdout
    assert re.search(r"^data.label: column '\w+' has no class in the train split", result.stdout, re.MULTILINE)
    assert "Baselines" not in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_changed_data_is_seen_and_learnt_from_where_the_last_model_ended(labelled: Path, bigvocab: Bigvocab) -> None:
    rows = labelled.parent / "rows.csv"
    whole = rows.read_text(encoding="utf-8")
    rows.write_text(whole + "the,united,2024,2020s,states,19.99,1000000000000000000\n" * 5, encoding="utf-8")
    options = ("--set", "trainer.epochs=0.2", "--set", "trainer.warm_start=true")
    try:
        result = run(bigvocab, labelled, *options)
        found = summary(labelled)
        again = run(bigvocab, labelled, *options)
    finally:
        rows.write_text(whole, encoding="utf-8")
    assert sum(found["examples"][split]["rows"] for split in ("train", "eval", "test")) == 12_005, result.stdout
    assert re.search(r"BaseModel .* starts from model \d+", result.stdout)
    started = found["training"]["warm_start"]
    assert started["optimizer"], started
    assert started["vocabularies"]["labels"]["stayed"] > 700
    # The last blessed model may be the one that this run has trained: the same data start from the same model again.
    assert again.returncode == 0, again.stdout
    assert cached(labelled), again.stdout
