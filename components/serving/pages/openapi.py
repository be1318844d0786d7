"""Descriptions of the requests, for OpenAPI."""

from __future__ import annotations

from typing import Any

from components.serving.model import Model
from components.serving.rest.signatures import COLUMNS, DEFAULT

ERROR: dict[int | str, dict[str, Any]] = {
    code: {
        "description": text,
        "content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}},
    }
    for code, text in ((400, "The request is wrong."), (404, "No such model or version is served."))
}
"""Answers to wrong requests."""


def predict_body(model: Model) -> dict[str, Any]:
    """Return the description of the body of `:predict`, with an example in the columns of the model."""
    columns = _features(model) | {name: _tokens(model, name) for name in model.data.inputs}
    columns |= {name: ["", ""] if is_text else [0.0, 0.0] for name, is_text in model.data.token_columns.items()}
    properties = {
        "signature_name": {"type": "string", "default": DEFAULT, "enum": [DEFAULT, COLUMNS]},
        "instances": {"type": "array", "description": "One entry for each row.", "items": {}},
        "inputs": {"description": "One list for each column; in place of `instances`."},
    }
    return _body(properties, {"signature_name": COLUMNS, "instances": [columns]})


def explain_body(model: Model) -> dict[str, Any]:
    """Return the description of the body of `:explain`."""
    is_text = model.data.tokenizer != "none"
    row = {
        name: " ".join(tokens) if is_text else tokens for name in model.data.inputs if (tokens := _tokens(model, name))
    }
    properties = {
        "row": {"type": "object", "description": "Value by column, as in a line of `bigvocab predict --input`."},
        "top": {"type": "integer", "minimum": 1, "description": "Number of answers to explain."},
    }
    return _body(properties, {"row": row | _features(model), "top": min(3, model.top_k or 1)})


def _tokens(model: Model, column: str) -> list[str]:
    known = model.vocabulary(column)
    return known.tokens[:2] if known else ["a", "b"]


def _features(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, feature in model.data.features.items():
        known = model.vocabulary(name)
        found[name] = 0.0 if feature.kind == "number" else known.tokens[0] if known and known.tokens else ""
    return found


def _body(properties: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": {"type": "object", "properties": properties}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
