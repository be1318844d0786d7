"""Test of the tutorial's second half: a file of the reader's own, from `init` to the request of a model server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT, blocks, commands
from tests.docs.following import write_files
from tests.pipeline.conftest import Bigvocab, bigvocab

__all__ = ["bigvocab"]
TUTORIAL = ROOT / "docs" / "tutorial.md"


@pytest.mark.slow
def test_a_reader_can_follow_the_tutorial_with_the_file_of_its_script(bigvocab: Bigvocab, tmp_path: Path) -> None:
    found = [block for block in blocks(TUTORIAL) if block.language == "sh"]
    texts = [words[1:] for block in found for words in commands(block.text) if words[0] == "./with-env"]
    own = [words[1:] for words in texts if {"rows.csv", "mine.yaml"} & set(words)]
    assert [words[0] for words in own] == ["init", "schema", "run", "predict", "evaluate"]

    write_files(TUTORIAL, tmp_path)
    page = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").unlink()  # `init` writes its own.
    subprocess.run([sys.executable, "make_rows.py"], cwd=tmp_path, check=True)
    for words in own:
        done = bigvocab(*words, folder=tmp_path)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        if words[0] == "init":
            assert "viewed" in (tmp_path / "mine.yaml").read_text(encoding="utf-8")
            (tmp_path / "mine.yaml").write_text(page, encoding="utf-8")
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == 20_000
    summary = json.loads((tmp_path / "runs" / "mine" / "report" / "summary.json").read_text())
    assert summary["pushed"] is True
    # The script's rule cannot be counted from the item alone: the model needs the country.
    assert summary["metrics"]["recall_at_10"] > 0.7

    # The request of docs/how-to/serving.md.
    (program,) = [block for block in blocks(ROOT / "docs" / "how-to" / "serving.md") if block.language == "python"]
    names: dict[str, Any] = {}
    exec(program.text, names)
    best = names["best"](str(tmp_path / "runs" / "mine"))
    assert best["labels"].shape == best["probabilities"].shape
    assert best["labels"][0, 0].numpy().startswith(b"item")
