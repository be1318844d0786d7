"""Model card as Markdown and as HTML, from the same contents."""

from __future__ import annotations

import functools
import re
from importlib import resources

import jinja2
import yaml
from markupsafe import Markup

from components.messages.formatting import in_markdown
from components.pushing.card.content import Card


def as_markdown(card: Card) -> str:
    """Return the card as Markdown, with a header in YAML as Hugging Face's model cards have it."""
    header = yaml.safe_dump(dict(card.header), sort_keys=False, allow_unicode=True)
    return _template("card.md.j2", autoescape=False).render(card=card, header=header, fence=_fence)


def as_html(card: Card) -> str:
    """Return the card as a page with inline style, light and dark, without scripts or external files."""
    style = Markup((resources.files("components.report") / "style.css").read_text(encoding="utf-8"))
    return _template("card.html.j2", autoescape=True).render(card=card, style=style)


@functools.cache
def _template(name: str, autoescape: bool) -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=autoescape, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["md"] = in_markdown
    return environment.from_string((resources.files("components.pushing.card") / name).read_text(encoding="utf-8"))


def _fence(code: str) -> str:
    """Return a fence that is longer than any run of backticks in the code."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
