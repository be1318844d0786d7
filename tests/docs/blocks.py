"""Blocks of code of the README and of the pages."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)(?P=fence)$", re.M | re.S
)
_UNTESTED = re.compile(r"^\*Untested: .+\*$")


def pages() -> list[Path]:
    """Return all Markdown files with instructions: the README files and the pages. The changelog has none."""
    elsewhere = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [
        *elsewhere,
        ROOT / "benchmarks" / "README.md",
        ROOT / "kubeflow" / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ]


@dataclass(frozen=True)
class Block:
    """Block of code.

    Attributes:
        page: File of the block.
        line: Line of its fence, from 1.
        language: Language after the fence; empty if it has none.
        text: The code, without the indentation of the block.
        untested: True if a line above says that the block is untested.
    """

    page: Path
    line: int
    language: str
    text: str
    untested: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str:
        """Name of the file that the first line of the block gives, or an empty text."""
        found = re.match(r"# (\S+\.\w[\w.]*)\n", self.text)
        return found[1] if found else ""


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        above = [line.strip() for line in text[: found.start()].rstrip().split("\n")]
        code = textwrap.dedent(found["text"])
        line = text[: found.start()].count("\n") + 1
        # A paragraph may be of several lines.
        paragraph = " ".join(above[max((i + 1 for i, each in enumerate(above) if not each), default=0) :])
        yield Block(page, line, found["language"], code, bool(_UNTESTED.match(paragraph)))


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of a shell block, without comments, assignments, redirections and `&`.

    Commands in a pipe or after `&&` are commands of their own.
    """
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word[0] in "&|;":
                while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] == "export"):
                    words.pop(0)
                if words:
                    yield words
                words = []
            else:
                words.append(word)
