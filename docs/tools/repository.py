"""Pages of the site that live elsewhere in the repository, and links between them.

The Markdown files link to each other as on the disk, so that the links work in the repository too. The site translates
a link to a source file into a page that shows the file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    "how-to/kubeflow.md": "kubeflow/README.md",
    "reference/benchmarks.md": "benchmarks/README.md",
    "reference/changelog.md": "CHANGELOG.md",
    "reference/contributing.md": "CONTRIBUTING.md",
    "reference/security.md": "SECURITY.md",
}
"""Files of the repository by their page on the site."""
_PLACES = {file: page for page, file in PAGES.items()} | {"README.md": "index.md"}
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".md": "markdown", ".json": "json", ".sh": "sh"}
_FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?![a-z]+:|#|/)([^)#\s]+)(#[^)\s]*)?\)")


def origin(page: str) -> str:
    """Return the path in the repository of the file that a page is made of."""
    return PAGES.get(page, f"docs/{page}")


def links(text: str, file: str) -> Iterator[str]:
    """Yield the targets of the relative links of a Markdown file, as paths in the repository.

    Args:
        text: Contents of the file.
        file: Path of the file in the repository.
    """
    for found in _LINK.finditer(_FENCE.sub("", text)):
        yield _target(found, file)


def translated(text: str, page: str) -> str:
    """Return the Markdown of a page with links to other pages of the site.

    Args:
        text: Markdown with links as in the repository.
        page: Path of the page below `docs/`.
    """
    file, parts, end = origin(page), [], 0
    for fence in _FENCE.finditer(text):
        parts += [_relinked(text[end : fence.start()], file, page), fence[0]]
        end = fence.end()
    return "".join([*parts, _relinked(text[end:], file, page)])


def page_of(path: str) -> str:
    """Return the page that shows a file of the repository.

    Args:
        path: Path in the repository; a folder stands for its README.
    """
    if (ROOT / path).is_dir():
        path = posixpath.normpath(f"{path}/README.md")
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return _PLACES.get(path, f"source/{path}.md")


def source_page(path: str) -> str:
    """Return the Markdown of the page that shows a source file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    fence = "`" * 6
    language = _LANGUAGES.get(Path(path).suffix, "text")
    return f"---\nsearch: {{exclude: true}}\n---\n\n# `{path}`\n\n{fence}{language}\n{text}{fence}\n"


def _target(found: re.Match[str], file: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), found[1]))


def _relinked(text: str, file: str, page: str) -> str:
    def relinked(found: re.Match[str]) -> str:
        place = posixpath.relpath(page_of(_target(found, file)), posixpath.dirname(page) or ".")
        return f"]({place}{found[2] or ''})"

    return _LINK.sub(relinked, text)
