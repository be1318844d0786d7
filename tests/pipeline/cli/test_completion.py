"""Tests of the scripts that complete commands in a shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.cli.app import parser
from pipeline.cli.completion import SHELLS, script
from pipeline.config.preset_files import preset_names


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the script for bash, and the root of a run."""
    folder = tmp_path_factory.mktemp("completion")
    (folder / "script").write_text(script(parser(), "bash"))
    (folder / "runs" / "words").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ru"], {"run", "run-node", "runs"}),
        (["completion", ""], set(SHELLS)),
        (["run", "shared_"], {"shared_projection", "shared_submodel"}),
        (["run", "--qu"], {"--quick"}),
        (["compare", "runs/wo"], {"runs/words"}),
        (["labels", ""], {"add"}),
        (["evaluate", "--model", "ru"], {"runs"}),
        (["presets", "ls"], {"lstm"}),
    ],
)
def test_bash_completes_commands_options_presets_and_files(bash: Path, words: list[str], expected: set[str]) -> None:
    typed = " ".join(f"'{word}'" for word in ["bigvocab", *words])
    line = (
        f"source ./script; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; "
        '$(complete -p bigvocab | sed "s/.*-F \\([^ ]*\\).*/\\1/") bigvocab "${COMP_WORDS[COMP_CWORD]}" '
        '"${COMP_WORDS[COMP_CWORD-1]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ended = subprocess.run(["bash", "-c", line], cwd=bash, capture_output=True, text=True, check=True)
    found = {word.rstrip("/ ") for word in ended.stdout.split("\n") if word.strip()}
    assert expected == found if expected != {"--quick"} else expected <= found, ended.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_knows_all_presets_and_is_valid(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in preset_names())
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its syntax is not checked")
    (tmp_path / "script").write_text(text)
    subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=True)


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["completion", "bsh"])
    assert ended.value.code == 2
    assert "unknown: bsh" in capsys.readouterr().err
