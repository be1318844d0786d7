from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.differences import configuration
from pipeline.config.loading import load


def test_the_settings_that_differ_from_the_preset_have_its_value() -> None:
    found = configuration(load(None, ["trainer.epochs=.3", "beam.kind=local"], quick=True))
    assert found["preset"] == "shared_projection"
    differing = {of["key"]: (of["value"], of["base"]) for of in found["settings"] if of["differs"]}
    assert differing == {
        "data.share": (0.25, 1.0),
        "trainer.epochs": (0.3, 1.8),
        "evaluation.beat": (["popular"], ["popular", "bigram", "trigram"]),
    }
    keys = [of["key"] for of in found["settings"]]
    assert len(set(keys)) == len(keys) > 100
    assert not [key for key in keys if key.startswith(("quick", "description"))]


def test_a_configuration_of_its_own_differs_in_the_keys_that_it_sets(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\ndata: {shape: sequence, source: {kind: sotu}, inputs: [words]}\n")
    found = configuration(load(str(file)))
    assert found["preset"] is None
    assert [of["key"] for of in found["settings"] if of["differs"]] == [
        "name", "data.shape", "data.source.kind", "data.inputs",
    ]  # fmt: skip
    assert not any(of["base"] for of in found["settings"])


def test_no_setting_has_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGVOCAB_METADATA_PASSWORD", "hunter22")
    found = configuration(load(None, ["data.source={kind: text, path: /data/hunter22/rows.txt}"]))
    values = {of["key"]: of["value"] for of in found["settings"]}
    assert values["data.source.path"] == "/data/***/rows.txt"
