"""Tests of the message after an interruption."""

from __future__ import annotations

import io
import time
from pathlib import Path

from components.messages import exit_codes
from pipeline.execution.interruption import kept
from pipeline.terminal.console import Console
from tests.forks import ROOT


def test_an_interrupted_run_names_the_nodes_and_the_checkpoint_that_it_keeps(tmp_path: Path) -> None:
    console = Console(io.StringIO())
    assert kept(console, str(tmp_path)) == "Interrupted. Kept: nothing, because no node had completed."
    earlier, current = tmp_path / "earlier" / "step-0000000900.index", tmp_path / "current" / "step-0000000300.index"
    for node in ("ExampleGen", "Transform"):
        console.started(node)
        console.finished(node, 1.0, False, "")
    for file in (earlier, current):
        file.parent.mkdir()
        file.touch()
    console.started("Trainer")
    console.since = time.time() + 60
    nodes = "Interrupted while Trainer ran. Kept: the outputs of ExampleGen and Transform"
    assert kept(console, str(tmp_path)) == f"{nodes}.", "the checkpoints are those of other trainings"
    console.since = 0.0
    earlier.unlink()
    assert kept(console, str(tmp_path)) == f"{nodes} and the checkpoint of step 300."


def test_every_exit_code_is_documented() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    documented = {int(line.split("|")[1].strip(" `")) for line in page.splitlines() if line.startswith("| `")}
    assert documented == {0, *codes}
