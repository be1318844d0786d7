"""The schema that editors check a configuration by."""

from __future__ import annotations

import json

from pipeline.config.json_schema import text

DEFINITIONS = json.loads(text())["$defs"]


def test_every_kind_of_model_is_one_choice() -> None:
    model = DEFINITIONS["TrainerSpec"]["properties"]["model"]
    choices = [choice["$ref"].rpartition("/")[2] for choice in model["oneOf"]]
    kinds = {DEFINITIONS[name]["properties"]["kind"]["const"]: DEFINITIONS[name] for name in choices}
    assert {"shared_projection", "ten_inputs", "shared_submodel", "recurrent"} <= set(kinds)
    # Only the default goes without a kind: any other would make a model without one fit twice.
    assert [kind for kind, schema in kinds.items() if "kind" not in schema.get("required", [])] == ["shared_projection"]
    assert all(schema["additionalProperties"] is False for schema in kinds.values())


def test_the_fields_of_every_kind_are_described() -> None:
    said_by_their_name = {"kind", "cell"}
    model = DEFINITIONS["TrainerSpec"]["properties"]["model"]
    for choice in model["oneOf"]:
        name = choice["$ref"].rpartition("/")[2]
        fields = DEFINITIONS[name]["properties"]
        assert {field for field in fields if "description" not in fields[field]} <= said_by_their_name, name
