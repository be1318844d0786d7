"""Hooks of MkDocs: pages that are generated at build time, and links into the repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parents[2]))

from docs.tools import command_line, configuration, notebook, repository, scaling

GENERATED = {
    "reference/configuration.md": configuration.page,
    "reference/command-line.md": command_line.page,
    "how-to/notebook.md": notebook.page,
}
"""Functions that return the Markdown of a page, by the page."""
FILLED = {"explanation/scaling.md": scaling.fill}
"""Functions that fill the generated parts into the Markdown of a page, by the page."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere in the repository, the generated ones, and those of linked source files."""
    for page, make in GENERATED.items():
        files.append(File.generated(config, page, content=make()))
    for page, file in repository.PAGES.items():
        files.append(File.generated(config, page, content=(repository.ROOT / file).read_text(encoding="utf-8")))
    for file in list(files.documentation_pages()):
        origin = repository.origin(file.src_uri)
        for target in sorted(set(repository.links(file.content_string, origin))):
            page = repository.page_of(target)
            if page.startswith("source/") and (repository.ROOT / target).is_file() and page not in files.src_uris:
                shown = File.generated(config, page, content=repository.source_page(target))
                shown.inclusion = InclusionLevel.NOT_IN_NAV
                files.append(shown)
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return the Markdown with its generated parts, and with links to pages of the site."""
    if page.file.src_uri.startswith("source/"):
        return markdown
    fill = FILLED.get(page.file.src_uri)
    return repository.translated(fill(markdown) if fill else markdown, page.file.src_uri)
