"""Tests of the pages that are generated, of the links and of the figures."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from docs.tools import command_line, configuration, figures, notebook, repository, scaling
from pipeline.cli.app import parser
from tests.docs.blocks import ROOT, pages


def keys(tree: Any, schema: Any) -> set[str]:
    """Return the names of all keys of a JSON schema."""
    found = set(tree.get("properties", {}))
    for below in (*tree.get("properties", {}).values(), *tree.get("$defs", {}).values()):
        found |= keys(below, schema)
    return found


def test_the_reference_has_every_key_of_the_configuration_with_its_default() -> None:
    schema = json.loads((ROOT / "schemas" / "bigvocab.schema.json").read_text(encoding="utf-8"))
    page = configuration.page()
    assert not [key for key in keys(schema, schema) if f"`{key}`" not in page]
    assert "| `negatives` | integer ≥ 1 | `1024` |" in page
    anchors = re.findall(r"\{ #(\S+) \}", page)
    assert len(anchors) == len(set(anchors))


def test_the_reference_has_every_command_and_option() -> None:
    page = command_line.page()
    helped = io.StringIO()
    with contextlib.redirect_stdout(helped), pytest.raises(SystemExit):
        parser().parse_args(["predict", "--help"])
    options = set(re.findall(r"--[a-z-]+", helped.getvalue())) - {"--help"}
    assert {"--input", "--chosen", "--keep"} <= options
    section = page[page.index("## `bigvocab predict`") : page.index("## `bigvocab evaluate`")]
    assert not [option for option in options if option not in section]
    assert "### `bigvocab bench softmax` { #bigvocab-bench-softmax }" in page


def test_every_command_is_on_a_page_that_is_not_generated() -> None:
    groups = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    names = [choice.dest for group in groups for choice in group._choices_actions]
    assert {"run", "tune", "serve", "compare", "runs", "export", "completion", "report"} <= set(names)
    written = "\n".join(page.read_text(encoding="utf-8") for page in pages())
    assert not [name for name in names if not re.search(rf"\bbigvocab {name}\b(?!-)", written)]


def test_links_follow_the_files_to_their_pages() -> None:
    text = "[a](../../kubeflow/README.md#details) [b](../../pipeline/nodes.py) [c](data.md)\n```\n[d](no.md)\n```\n"
    assert repository.translated(text, "how-to/extending.md") == (
        "[a](kubeflow.md#details) [b](../source/pipeline/nodes.py.md) [c](data.md)\n```\n[d](no.md)\n```\n"
    )
    assert (
        repository.translated("[a](quality/b.py)", "reference/benchmarks.md")
        == "[a](../source/benchmarks/quality/b.py.md)"
    )
    assert [*repository.links(text, "docs/how-to/extending.md")] == [
        "kubeflow/README.md",
        "pipeline/nodes.py",
        "docs/how-to/data.md",
    ]


def test_every_link_leads_to_a_file() -> None:
    generated = {"docs/reference/configuration.md", "docs/reference/command-line.md", "docs/how-to/notebook.md"}
    generated |= {f"docs/{page}" for page in repository.PAGES}
    for page in pages():
        file = str(page.relative_to(ROOT))
        targets = set(repository.links(page.read_text(encoding="utf-8"), file)) - generated
        assert not [target for target in targets if not (ROOT / target).exists()], file


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    found = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert not [page for page in found if page not in navigation]


def test_the_figures_are_those_of_the_benchmarks(tmp_path: Path) -> None:
    figures.main(tmp_path)
    for name in figures.FIGURES:
        drawn = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert drawn == (figures.FOLDER / f"{name}.svg").read_text(encoding="utf-8"), "python -m docs.tools.figures"


def test_the_page_about_scaling_gets_its_tables() -> None:
    page = scaling.fill((ROOT / "docs" / "explanation" / "scaling.md").read_text(encoding="utf-8"))
    assert all(f"| {name} |" in page for name, *_ in scaling.CASES)
    with pytest.raises(ValueError, match="no line"):
        scaling.fill("# Scaling")


@pytest.mark.slow
def test_the_notebook_runs() -> None:
    found, printed = notebook.execute()
    assert found["answers"].shape == (1, 3)
    stored = [
        "".join("".join(each["text"]) for each in cell["outputs"])
        for kind, _, cell in notebook.cells()
        if kind == "code"
    ]
    # The losses differ with the machine; the data do not.
    assert printed[1] == stored[1]
    assert [bool(text) for text in printed] == [bool(text) for text in stored], "python -m docs.tools.notebook"
