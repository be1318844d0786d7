"""A page followed as by a reader: its files are written, and its commands are executed, in order."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.docs.blocks import ROOT, Block, blocks

ENDLESS = ("bigvocab tensorboard", "bigvocab serve", "--follow")
"""Parts of the commands that end only when they are interrupted."""


def write_files(page: Path, folder: Path) -> list[str]:
    """Write the programs and configurations of a page whose first line is their name, and return the names."""
    return [block.file for block in blocks(page) if _write_file(block, folder)]


def follow(page: Path, folder: Path) -> Iterator[tuple[Block, int]]:
    """Execute the commands of a page in a folder, and yield each block with its exit code.

    A file of the page is written when its block is reached: a command above it may write a file of the same name.

    Args:
        page: The page.
        folder: Folder of the reader, in which `./with-env` leads to this repository.
    """
    script = folder / "with-env"
    script.write_text(f'#!/bin/sh\nexec "{ROOT}/with-env" "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    for block in blocks(page):
        if _write_file(block, folder):
            continue
        if block.language == "sh" and not block.untested:
            lines = [line for line in block.text.splitlines() if not any(word in line for word in ENDLESS)]
            done = subprocess.run(["bash", "-e", "-c", "\n".join(lines)], cwd=folder, check=False)
            yield block, done.returncode


def _write_file(block: Block, folder: Path) -> bool:
    """Write the program or the configuration of a block. Return False if the block is none with a name."""
    if not block.file or block.language not in ("python", "yaml"):
        return False
    (folder / block.file).write_text(block.text, encoding="utf-8")
    return True
