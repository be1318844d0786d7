"""Markdown extension that writes equations as MathML, which browsers show without a script.

A block is fenced by lines of `$$`, and inline mathematics by single dollars, as GitHub reads them.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as etree

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor

_BLOCK = re.compile(r"^\$\$\n(.+?)\n\$\$$", re.MULTILINE | re.DOTALL)
_INLINE = r"(?<![\\$\w])\$([^\s$](?:[^$\n]*[^\s$])?)\$(?!\w)"


class _Blocks(Preprocessor):
    """Replacement of blocks of mathematics by MathML."""

    def run(self, lines: list[str]) -> list[str]:
        """Return the lines with the placeholders of the equations."""

        def stored(found: re.Match[str]) -> str:
            mathml = f'<div class="equation">{convert(found[1], display="block")}</div>'
            return f"\n{self.md.htmlStash.store(mathml)}\n"

        return _BLOCK.sub(stored, "\n".join(lines)).split("\n")


class _Inline(InlineProcessor):
    """Replacement of inline mathematics by MathML."""

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[etree.Element | str, int, int]:  # pyright: ignore
        """Return the placeholder of the equation and its place in the text."""
        return self.md.htmlStash.store(convert(m[1])), m.start(0), m.end(0)


class MathML(Extension):
    """Extension with both replacements."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the replacements: blocks after code fences (25), inline mathematics after code (190)."""
        md.preprocessors.register(_Blocks(md), "mathml_blocks", 24)
        md.inlinePatterns.register(_Inline(_INLINE, md), "mathml_inline", 185)


def makeExtension(**settings: str) -> MathML:
    """Return the extension, as Markdown calls it."""
    return MathML(**settings)
