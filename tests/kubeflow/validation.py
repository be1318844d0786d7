"""Validation of objects against their API. Unknown fields, wrong types and missing fields are faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
from referencing import Registry, Resource

OLDEST = "1.29"
NEWEST = kubernetes_validate.latest_version()
"""Clusters in between are those that Kubeflow Pipelines 2.16 and its SDK are used with."""
# One schema per custom resource, for the parts that the manifests use. Each schema names its source.
_SCHEMAS = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "schemas").glob("*.json")}
_REGISTRY = Registry().with_resources(
    (f"{name}.json", Resource.from_contents(schema)) for name, schema in _SCHEMAS.items()
)


def faults(found: dict[str, Any], version: str = NEWEST) -> list[str]:
    """Return the faults of an object; an empty list if it is valid.

    Raises:
        kubernetes_validate.SchemaNotFoundError: No schema exists for objects of this kind.
    """
    try:
        kubernetes_validate.validate(found, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [_sentence(error)]
    except kubernetes_validate.SchemaNotFoundError:
        if found["kind"].lower() not in _SCHEMAS:
            raise
        return _faults_of_custom(found, version)
    return []


def _faults_of_custom(found: dict[str, Any], version: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(_SCHEMAS[found["kind"].lower()], registry=_REGISTRY)
    said = [_sentence(error) for error in validator.iter_errors(found)]
    for role in ("jobManager", "taskManager"):
        spec = found["spec"].get(role, {}) if isinstance(found["spec"], dict) else {}
        if template := spec.get("podTemplate"):
            said += faults({"apiVersion": "v1", "kind": "Pod", **template}, version)
    return said


def _sentence(error: jsonschema.ValidationError) -> str:
    return f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
