"""Tests of a search that trains."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts

from components.choices import Choices, read_choices, write_choices
from components.training.run import spec_of
from components.tuning import trial
from components.tuning.component import TunerExecutor
from components.tuning.results import read_trials
from components.tuning.search import search
from components.tuning.spec import TunerSpec
from components.tuning.study import Study
from tests.components.training.conftest import Corpus

SPACE = {"trainer.learning_rate": {"low": 0.005, "high": 0.02}, "trainer.model.hidden": {"choices": [8, 16]}}
TRAINER = {"epochs": 0.5, "validation_examples": 256}


class Killed(BaseException):
    """End of a process."""


def execute(corpus: Corpus, folder: Path, spec: dict[str, Any], target: str) -> tuple[Choices, dict[str, Any]]:
    """Run the node, and return its outputs."""
    arguments = corpus.fn_args(folder, TRAINER)
    for split in ("train", "eval"):
        place = folder / "examples" / f"Split-{split}"
        place.mkdir(parents=True, exist_ok=True)
        for file in corpus.folder.glob(f"{split}*.gz"):
            (place / file.name).unlink(missing_ok=True)
            (place / file.name).symlink_to(file)
    examples, graph = standard_artifacts.Examples(), standard_artifacts.TransformGraph()
    examples.uri, graph.uri = str(folder / "examples"), arguments.transform_output
    examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
    choices = standard_artifacts.HyperParameters()
    choices.uri = str(folder / "choices")
    write_choices(choices.uri, Choices({"batch": 128, "learning_rate": 0.01}, {}, "chosen"))
    best, results = standard_artifacts.HyperParameters(), standard_artifacts.TunerResults()
    best.uri, results.uri = str(folder / target / "best"), str(folder / target / "results")
    # The keys of the configuration: `batch` is left to the node Defaults.
    keys = {k: v for k, v in json.loads(arguments.custom_config["trainer"]).items() if k != "batch"}
    TunerExecutor().Do(
        {"examples": [examples], "transform_graph": [graph], "choices": [choices]},
        {"best_hyperparameters": [best], "tuner_results": [results]},
        {
            "tuner": TunerSpec.model_validate(spec).model_dump_json(exclude_unset=True),
            "custom_config": json.dumps({**arguments.custom_config, "trainer": json.dumps(keys)}),
            "folder": str(folder / "searches"),
        },
    )
    return read_choices(best.uri), read_trials(results.uri)


@pytest.mark.slow
def test_a_killed_search_goes_on_and_the_trainer_takes_the_best_values(
    sequence: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated = trial.Watch.on_epoch_end

    def kill(self: trial.Watch, epoch: int, logs: Any = None) -> None:
        validated(self, epoch, logs)
        if epoch == 1:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(trial.Watch, "on_epoch_end", kill)
        with pytest.raises(Killed):
            execute(sequence, tmp_path, {"space": SPACE, "trials": 2}, "killed")
    assert [*tmp_path.glob("searches/*/trial-000/checkpoints/*/*.index")]
    choices, found = execute(sequence, tmp_path, {"space": SPACE, "trials": 2}, "done")
    first, second = found["trials"]
    assert first["values"] == {"trainer.learning_rate": 0.01, "trainer.model.hidden": 16}
    assert second["values"] != first["values"]
    best = min((first, second), key=lambda trial: trial["score"])
    assert found["best"] == best["number"]
    rate, hidden = best["values"].values()
    assert choices.tuned == {"learning_rate": rate, "model": {"hidden": hidden}}
    assert not [*tmp_path.glob("searches/*/*/checkpoints/*")]
    (written,) = tmp_path.glob("searches/*/trial-001/events*")
    tags = {value.tag for event in tf.compat.v1.train.summary_iterator(str(written)) for value in event.summary.value}
    assert {"_hparams_/session_start_info", "_hparams_/session_end_info", "best/perplexity"} <= tags

    # The values override the configuration, and all other choices stay.
    fn_args = SimpleNamespace(
        custom_config={"trainer": '{"learning_rate": 0.5, "epochs": 3}'}, hyperparameters=vars(choices)
    )
    spec = spec_of(fn_args)
    assert (spec.learning_rate, spec.model.hidden, spec.batch, spec.epochs) == (rate, hidden, 128, 3)

    # A search with the same budget trains nothing, and one with another space begins anew.
    monkeypatch.setattr(Study, "_ask", lambda *arguments: pytest.fail("a trial was drawn"))
    assert execute(sequence, tmp_path, {"space": SPACE, "trials": 2}, "again")[1] == found


@pytest.mark.slow
def test_a_trial_whose_loss_becomes_infinite_is_stopped(sequence: Corpus, tmp_path: Path) -> None:
    spec = TunerSpec.model_validate({"space": {"trainer.learning_rate": {"low": 1e28, "high": 1e30}}, "trials": 1})
    with pytest.raises(ValueError, match=r"no trial of the search ended: .* infinite or not a number"):
        search(sequence.fn_args(tmp_path, TRAINER), spec, str(tmp_path / "searches"))
