"""Hostile YAML: one message with file and line, before memory or time is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.document import MAX_BYTES, parse
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import load, loads

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10))
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2_000))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (LAUGHS.encode(), "6: not YAML: more than 50,000 keys and values, with those of aliases"),
        (MERGED.encode(), "6: not YAML: more than 50,000 keys and values, with those of aliases"),
        (CHAIN.encode(), "39: not YAML: more than 40 levels of keys and lists"),
        (b"name: a\nquick: " + b"[" * 100_000, "2: not YAML: more than 40 levels of keys and lists"),
        (b"name: a\nquick: " + b"{a: " * 100_000, "2: not YAML: more than 40 levels of keys and lists"),
        (b"name: a\nquick: &q {a: [*q]}\n", "2: not YAML: an alias inside its own anchor"),
        (b"name: a\nquick: *q\n", "2: not YAML: found undefined alias 'q'"),
        (b"name: !!python/object/apply:os.system [exit]\n", "1: not YAML: could not determine a constructor for the"),
        (b"name: !!python/name:os.system\n", "1: not YAML: could not determine a constructor for the tag"),
        (b"name: a\n\ndescription: \xe9\n", "3: not UTF-8: byte 0xE9; save the file as UTF-8"),
        (b"name: a\ndescription: \x1b[31m\n", r"2: not YAML: the character '\x1b' is not allowed"),
        (b"#" * MAX_BYTES + b"\n", " larger than 1,000,000 bytes, so it is not a configuration"),
        (b"name: a\nspan: !!int ''\n", "2: not YAML: '' is not a valid int; put text in quotes"),
        (b"name: a\nspan: !!timestamp x\n", "2: not YAML: 'x' is not a valid timestamp; put text in quotes"),
        (b"name: a\nspan: " + b"9" * 5_000, f"2: not YAML: '{'9' * 60}...' is not a valid int"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else "",
)  # fmt: skip
def test_hostile_text_is_one_fault_with_its_line(tmp_path: Path, text: bytes, fault: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(text)
    with pytest.raises(ConfigurationError) as error:
        load(str(file))
    assert str(error.value).startswith(f"{file}:{fault}")
    assert len(str(error.value).splitlines()) == 1


def test_a_setting_has_the_same_bounds() -> None:
    for value in ("[" * 1_000, "!!python/name:os.system", "&a [*a]"):
        with pytest.raises(ConfigurationError, match="the value is not YAML"):
            load(None, [f"trainer.epochs={value}"])
    with pytest.raises(ConfigurationError, match="--set data.splits=.*: duplicate key data.splits.train"):
        load(None, ["data.splits={train: 90, train: 80}"])


def test_a_file_without_an_end_is_read_only_in_part() -> None:
    with pytest.raises(ConfigurationError, match="/dev/zero: larger than 1,000,000 bytes"):
        load("/dev/zero")


def test_a_large_configuration_is_within_the_bounds() -> None:
    features = "".join(f"    feature_{n}: {{kind: category, top: 20}}\n" for n in range(1_000))
    text = (
        f"name: a\ndata:\n  shape: labelled\n  source: {{kind: csv, path: /a}}\n  inputs: [b]\n  label: c\n{features}"
    )
    assert len(loads(text.replace("  label: c\n", "  label: c\n  features:\n")).data.features) == 1_000


def test_aliases_share_no_values() -> None:
    text = "name: a\ndata:\n  shape: labelled\n  source: {kind: csv, path: /a}\n  inputs: [b]\n  label: c\n"
    text += "  features: {hour: &hour {kind: category}, shop: *hour}\n"
    features = loads(text, ["data.features.hour.top=3"]).data.features
    assert (features["hour"].top, features["shop"].top) == (3, 1_000)


def test_each_element_of_a_list_has_a_line() -> None:
    document = parse("a:\n  - b\n  - c: 1\n    c: 2\n")
    assert document.lines == {("a",): 1, ("a", 0): 2, ("a", 1): 3, ("a", 1, "c"): 4}
    assert document.doubles == [(("a", 1, "c"), 4, 3)]
