"""Wrong configurations: every fault is named in a single error, and nothing is started or written.

`make wrong-configurations` draws thousands; the variable `BIGVOCAB_EXAMPLES` has their number.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from pipeline.cli import main
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import check_files, load, loads
from pipeline.config.preset_files import preset_names
from tests.pipeline.config.faulty import SCHEMA, WITH_KERAS, Fault, faulty, written

EXAMPLES = int(os.environ.get("BIGVOCAB_EXAMPLES", "100"))
OWN = "name: mine\ndata: {shape: labelled, source: {kind: csv, path: rows.csv}, inputs: [viewed], label: bought}\n"
ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def unnamed(message: str, faults: list[Fault]) -> list[str]:
    return [fault.key for fault in faults if not re.search(rf"(?<![\w.]){re.escape(fault.key)}(?!\w)", message)]


@settings(ANY_SPEED, max_examples=EXAMPLES)
@given(faulty(with_keras=EXAMPLES >= 1_000))
def test_every_faulty_key_is_named_at_once(drawn: tuple[str, list[Fault]]) -> None:
    text, faults = drawn
    with pytest.raises(ConfigurationError) as error:
        loads(text)
    assert not unnamed(str(error.value), faults)
    assert all(len(line) < 1_500 for line in str(error.value).splitlines())


def test_a_wrong_key_in_quick_is_named_with_its_place() -> None:
    """Check the fault that is drawn in few runs of the test above."""
    fault = Fault(("quick", "trainer.epohcs"), "set", 1)
    with pytest.raises(ConfigurationError) as error:
        loads(f"{OWN}quick: {{trainer.epohcs: 1}}\n")
    assert not unnamed(str(error.value), [fault])
    assert "did you mean 'epochs'?" in str(error.value)


@settings(ANY_SPEED, max_examples=max(15, EXAMPLES // 50))
@given(faulty())
def test_a_command_exits_with_2_and_writes_nothing(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[str, list[Fault]]
) -> None:
    text, faults = drawn
    folder = tmp_path_factory.mktemp("wrong")
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    messages = _Messages()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", messages)
        assert main(["run", str(file), "--root", str(folder / "root")]) == 2
    assert messages.text.startswith("Wrong configuration:\n")
    assert not unnamed(messages.text, [fault for fault in faults if fault.key.isprintable()])
    assert "\x1b" not in messages.text
    assert [path.name for path in folder.iterdir()] == ["mine.yaml"]


def test_no_pattern_accepts_control_characters() -> None:
    patterns = list(_patterns(SCHEMA))
    assert len(patterns) > 10
    for hostile in ("\x1b[31mred", "host\x1b:8080", "/data\x00", "gs://bucket\x7f/temp", "gs://bucket/\x1btemp"):
        assert not [pattern for pattern in patterns if re.search(pattern, hostile)], hostile


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        schema = dict(enumerate(schema))
    if isinstance(schema, dict):
        for key, child in schema.items():
            if key == "pattern" and isinstance(child, str):
                yield child
            yield from _patterns(child)


class _Messages:
    text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("name", [name for name in preset_names() if name not in WITH_KERAS])
def test_the_drawn_configurations_are_right_before_their_faults(name: str) -> None:
    import yaml

    from pipeline.config.preset_files import PRESETS

    loads(written(yaml.safe_load((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    ("setting", "faults"),
    [
        ("trainer.replicas=0", ["trainer.replicas: Input should be greater than 0", "trainer.replicas: Input should"]),
        ("trainer.epochs=.inf", ["trainer.epochs: Input should be a finite number"]),
        ("evaluation.max_rmse=.inf", ["evaluation.max_rmse: Input should be a finite number"]),
        ("trainer.head.temperature=hot", ["trainer.head.temperature: Input should be a valid number"]),
        ("data.splits.eval={a: 1}", ["data.splits.eval: Input should be a valid number"]),
        ("trainer.batch=-0x1" + "0" * 5_000, ["trainer.batch: Input should be greater"]),
        ("data.features={1: {kind: number}}", ["data.features.1: Input should be a valid string"]),
        ("beam={zzq: 1}", ["beam.kind is missing", "unknown key beam.zzq"]),
        ("beam={kind: flnk, endpont: a}", ["did you mean 'flink'", "beam.endpont; did you mean 'endpoint'"]),
        (
            "data.source={kind: parquet, path: a, delimiter: ;, several: first, zzq: 1}",
            ["source.delimiter is of", "source.several is not a key", "unknown key data.source.zzq"],
        ),
        ("data={shape: events, source: {kind: csv, path: a, zzq: 1}, inputs: 3}", ["data.source.zzq", "data.inputs: "]),
        ("data.source.path=~nobody-has-this-name/a.csv", []),
        ("data.schema_file=~nobody-has-this-name/a", []),
        ("data.source.path=" + "x" * 5_000, []),
        ('data.source.path="a\\0b"', []),
    ],
)  # fmt: skip
def test_a_fault_that_was_found_by_drawing(tmp_path: Path, setting: str, faults: list[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(OWN, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        check_files(load(str(file), [setting]))
    message = str(error.value)
    assert [fault for fault in faults if fault not in message] == []
    assert "data.source.path: " in message or faults


def test_a_group_is_needed_beside_other_faults() -> None:
    with pytest.raises(ConfigurationError, match="shape 'events' needs data.group_by"):
        loads(OWN, ["data.shape=events"])


def test_a_repeated_key_does_not_hide_other_faults() -> None:
    with pytest.raises(ConfigurationError) as error:
        loads(OWN + "name: other\ntrainer: {epohcs: 1}\n")
    assert "configuration:3: duplicate key name, first in line 1" in str(error.value)
    assert "configuration:4: unknown key trainer.epohcs" in str(error.value)


def test_a_value_of_a_setting_is_not_attributed_to_the_line_that_it_replaces() -> None:
    with pytest.raises(ConfigurationError) as error:
        loads(OWN, ["data.source={kind: csv, path: [a]}"])
    assert str(error.value).startswith("--set data.source={kind: csv, path: [a]}: data.source.path: Input should be")


@pytest.mark.parametrize("uri", ["postgresql://me:s3cr/e@t@host/db", "postgresql://me@host/db?password=s3cr/e@t"])
def test_no_message_has_a_password(uri: str) -> None:
    for source in (
        f"{{kind: sql, uri: '{uri}', query: q}}",
        f"{{kind: csv, path: '{uri}', zzq: '{uri}', header: '{uri}'}}",
    ):
        with pytest.raises(ConfigurationError) as error:
            loads(OWN, [f"data.source={source}"])
        assert "s3cr" not in str(error.value)
        assert "e@t" not in str(error.value)


@pytest.mark.parametrize("name", ["../../x", "/x", "a/b", "a\n", "..", "A", "\x1b[31m", "x" * 61])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name: String should"):
        loads(f"name: {json.dumps(name)}\n" + OWN.partition("\n")[2])


@pytest.mark.parametrize("name", ["x" * 5_000, "x" * 300 + ".yaml", "\x1b[31m.yaml", "no/folder/\x1b[31m"])
def test_an_unreadable_name_is_a_fault(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["run", name, "--root", str(tmp_path / "root")]) == 2
    assert capsys.readouterr().err.startswith("Wrong configuration:\n  ")
    assert not list(tmp_path.iterdir())


def test_a_message_has_no_control_characters_of_a_key(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(OWN + '"\\e[2J\\r": 1\n', encoding="utf-8")
    assert main(["run", str(file), "--root", str(tmp_path / "root")]) == 2
    assert r"unknown key \x1b[2J\r" in capsys.readouterr().err
