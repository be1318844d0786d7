"""Tests that commands with instant output load none of the large libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pipeline.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code or 0
large = {"apache_beam", "keras", "numpy", "pandas", "pyarrow", "tensorflow", "tfx"}
# A command that reads no configuration does not load the types of the configuration.
large |= {"pydantic"} if sys.argv[1:] in (["--help"], ["presets"]) else set()
print(f"{code} {sorted(large & {*sys.modules})}", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, ["presets"]),
        (0, ["presets", "ten_inputs"]),
        (0, ["--help"]),
        (2, ["report"]),
        (2, ["versions"]),
        (2, ["rollback"]),
        (2, ["run", "shared_projektion"]),
        (2, ["run", "--set", "trainer.epohcs=2"]),
    ],
)
def test_it_starts_without_the_large_libraries(tmp_path: Path, code: int, arguments: list[str]) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", SCRIPT, *arguments]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1] == f"{code} []", ended.stderr
