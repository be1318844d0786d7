"""Tests that every block of code of the README and of the pages is right, or is marked as untested."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.report.summary import Summary
from pipeline.cli.app import parser
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import loads
from pipeline.terminal.events import Events
from tests.docs.blocks import ROOT, Block, blocks, commands, pages

BLOCKS = [block for page in pages() for block in blocks(page)]
OUTPUT = ("", "text", "html")
"""Languages of output, of listings and of templates."""
KNOWN = {"make", "cd", "python3", "uv"}
"""Programs, beside `bigvocab` and `./with-env`, whose commands are checked here."""
HERE = {"my_package"}
"""Packages that the pages tell the reader to write."""


def of(*languages: str) -> list[Any]:
    found = [block for block in BLOCKS if block.language in languages and not block.untested]
    assert found
    return [pytest.param(block, id=str(block)) for block in found]


def test_every_block_has_a_known_language() -> None:
    assert not [str(block) for block in BLOCKS if block.language not in (*OUTPUT, "sh", "yaml", "python", "json")]


def test_the_marks_are_visible_and_few() -> None:
    marked = [str(block).partition(":")[0] for block in BLOCKS if block.untested]
    assert set(marked) <= {
        "docs/how-to/flink.md",
        "docs/how-to/new-data.md",
        "docs/how-to/serving.md",
        "kubeflow/README.md",
    }


@pytest.mark.parametrize("block", of("sh"))
def test_a_command_is_one_that_this_version_accepts(block: Block) -> None:
    assert not [fault for words in commands(block.text) if (fault := fault_of(words))]


def fault_of(words: list[str]) -> str:
    """Return what is wrong with a command: an unknown program, option or file; an empty text if nothing is."""
    words = words[1:] if words[0] == "./with-env" else words
    if words[0] == "bigvocab":
        message = io.StringIO()
        with contextlib.redirect_stderr(message), contextlib.redirect_stdout(io.StringIO()):
            try:
                parser().parse_args(words[1:])
            except SystemExit as end:  # --help ends with 0.
                return message.getvalue() if end.code else ""
        return ""
    if words[0] in ("pytest", ".ci/run"):
        named = [".ci/run", *(word for word in words[1:] if word.startswith("tests"))]
        return "".join(f"no {name}" for name in named if not (ROOT / name).exists())
    if words[0] == "python" and words[1] == "-m":
        return "" if importlib.util.find_spec(words[2]) else f"no module {words[2]}"
    if words[0] in ("python", "python3"):
        written = {block.file for block in BLOCKS if block.language == "python"}
        return "" if words[1] in written or (ROOT / words[1]).is_file() else f"no file {words[1]}"
    if words[0] == "make":
        verbs = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        return "" if words[1] in verbs else f"no verb {words[1]}"
    return "" if words[0] in KNOWN else f"{words[0]} is not checked: write a line `*Untested: ...*` above the block"


@pytest.mark.parametrize("block", of("yaml"))
def test_a_configuration_has_no_fault(block: Block) -> None:
    trees = yaml.safe_load(block.text)
    assert isinstance(trees, dict)
    if "source" in trees and "data" not in trees:  # An extract of `data`.
        trees = {"data": {"shape": "labelled", "inputs": ["items"], "label": "bought", **trees}}
    tree = {"name": "page", **trees}
    tree["data"] = {
        **({} if "data" in trees and "shape" in trees["data"] else SHOP),
        **(trees.get("data") or {}),
    }
    own = {name.partition(":")[0] for name in re.findall(r"my_package[\w.]*:\w+", block.text)}
    # A class of the reader's own is imported by the tests of the recipes.
    assert not [fault for fault in faults_of(absolute(tree)) if not any(name in fault for name in own)]


def faults_of(tree: dict[str, Any]) -> list[str]:
    """Return the faults of a configuration."""
    try:
        loads(yaml.safe_dump(tree))
    except ConfigurationError as error:
        return str(error).splitlines()
    return []


SHOP = {"shape": "labelled", "source": {"kind": "csv", "path": "/rows.csv"}, "inputs": ["items"], "label": "bought"}


def absolute(tree: Any, above: str = "") -> Any:
    """Return the configuration with absolute paths, as `loads` needs them."""
    if isinstance(tree, dict):
        return {key: absolute(value, f"{above}.{key}") for key, value in tree.items()}
    if isinstance(tree, list):
        return [absolute(value) for value in tree]
    is_path = re.search(r"(source|labels)\.(path|file|train|eval|test)$", above) and ":" not in tree and tree[0] != "/"
    return f"/{tree}" if is_path else tree


@pytest.mark.parametrize("block", of("python"))
def test_the_imports_of_a_program_exist(block: Block) -> None:
    text = block.text.replace("    ...\n", "    ...,\n)\n") if block.text.rstrip().endswith("...") else block.text
    for node in ast.walk(ast.parse(text, str(block))):
        names: list[tuple[str, str]] = []
        if isinstance(node, ast.Import):
            names = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [(node.module, alias.name) for alias in node.names]
        for module, name in names:
            if module.partition(".")[0] in HERE:
                continue
            if module.partition(".")[0] in ("bigvocab", "components", "pipeline"):
                found = importlib.import_module(module)
                assert not name or hasattr(found, name), f"{block}: {module} has no {name}"
            else:
                assert importlib.util.find_spec(module.partition(".")[0]), f"{block}: no module {module}"


@pytest.mark.parametrize(
    "page", [page for page in pages() if ROOT / "docs" not in page.parents], ids=lambda page: page.parent.name
)
def test_the_links_of_files_outside_the_site_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_the_check_of_commands_finds_wrong_ones() -> None:
    wrong = ("./with-env bigvocab run --quik", "./with-env bigvocab rn", "kubectl apply", "make dcs", "python no.py")
    assert all(fault_of(words) for text in wrong for words in commands(text))
    assert [*commands("A=1 ./with-env bigvocab run a.yaml && make docs & # why\n")] == [
        ["./with-env", "bigvocab", "run", "a.yaml"],
        ["make", "docs"],
    ]


def test_the_check_of_configurations_finds_wrong_ones() -> None:
    assert faults_of({"name": "page", "data": SHOP}) == []
    assert "did you mean 'epochs'" in "".join(faults_of({"name": "page", "data": SHOP, "trainer": {"epoch": 2}}))


@pytest.mark.parametrize("block", of("json"))
def test_events_of_the_page_have_the_keys_of_this_version(block: Block) -> None:
    console = Events(out := io.StringIO(), io.StringIO())
    console.opened("sotu", "runs/sotu", "one.log")
    console.warn("text")
    console.finished("ExampleGen", 1.0, False, "rows")
    about: dict[str, Any] = {"work": "", "share": 0, "rate": 0, "unit": "", "seconds_left": 0, "loss": 0}
    console.event("progress", "training", about)
    console.ended(Summary.model_validate({"name": "sotu", "finished": "2026-01-01", "seconds": 1.0}), "summary.json")
    keys = {event["event"]: event.keys() for event in map(json.loads, out.getvalue().splitlines())}
    shown = [json.loads(line) for line in block.text.splitlines()]
    assert {event["event"] for event in shown} == keys.keys()
    assert not [event for event in shown if event.keys() != keys[event["event"]]]
