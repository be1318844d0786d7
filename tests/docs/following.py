"""A page followed as by a reader: its files are written, and its commands are executed, in order."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.docs.blocks import ROOT, Block, blocks

ENDLESS = ("bigvocab tensorboard", "bigvocab serve")
"""Commands that end only when they are interrupted."""


def write_files(page: Path, folder: Path) -> list[str]:
    """Write the programs and configurations of a page whose first line is their name, and return the names."""
    named = [block for block in blocks(page) if block.file and block.language in ("python", "yaml")]
    for block in named:
        (folder / block.file).write_text(block.text, encoding="utf-8")
    return [block.file for block in named]


def follow(page: Path, folder: Path) -> Iterator[tuple[Block, int]]:
    """Execute the commands of a page in a folder, and yield each block with its exit code.

    Args:
        page: The page.
        folder: Folder of the reader, in which `./with-env` leads to this repository.
    """
    write_files(page, folder)
    script = folder / "with-env"
    script.write_text(f'#!/bin/sh\nexec "{ROOT}/with-env" "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    for block in blocks(page):
        if block.language == "sh" and not block.untested:
            lines = [line for line in block.text.splitlines() if not any(word in line for word in ENDLESS)]
            done = subprocess.run(["bash", "-e", "-c", "\n".join(lines)], cwd=folder, check=False)
            yield block, done.returncode
