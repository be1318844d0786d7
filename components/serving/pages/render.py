"""Pages of the server: one to try the model, and one with its requests. They need no file from elsewhere."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from components.serving.model import Model

_PACKAGE = "components.serving.pages"
_STYLE = ("components.report", "style.css"), (_PACKAGE, "page.css")


def trial(name: str, model: Model) -> str:
    """Return the page with a form for the columns of a model, whose answers follow the input.

    Args:
        name: Name of the model in the paths.
        model: The served version.
    """
    data = model.data
    known = {name for name in (*data.inputs, *data.features) if model.vocabulary(name) is not None}
    form = {
        "path": f"/v1/models/{quote(name, safe='')}",
        "top": min(10, model.top_k or 1),
        "label": data.label or data.inputs[0],
        "number": data.label_kind == "number",
        "several": data.several_labels,
        "inputs": [
            {"name": column, "text": data.tokenizer != "none", "known": column in known} for column in data.inputs
        ],
        "features": [
            {"name": column, "kind": feature.kind, "known": column in known}
            for column, feature in data.features.items()
        ],
        "token_columns": [{"name": column, "text": is_text} for column, is_text in data.token_columns.items()],
        "sequence": data.shape == "sequence",
    }
    return _template("page.html.j2").render(name=name, version=model.version, form=form, as_json=_json, style=_style())


def reference(openapi: dict[str, Any]) -> str:
    """Return the page that lists the requests of an OpenAPI description."""
    return _template("docs.html.j2").render(
        api=openapi, example=functools.partial(json.dumps, indent=2), style=_style()
    )


def _json(value: Any) -> Markup:
    """Return a value as JSON inside a script."""
    text = json.dumps(value, ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _style() -> Markup:
    return Markup("\n".join(_read(package, file) for package, file in _STYLE))


@functools.cache
def _template(file: str) -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_read(_PACKAGE, file))


@functools.cache
def _read(package: str, file: str) -> str:
    return (resources.files(package) / file).read_text(encoding="utf-8")
