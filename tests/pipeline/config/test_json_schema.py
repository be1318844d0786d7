"""Tests of the JSON schema with which editors check a configuration."""

from __future__ import annotations

import json
import re

from pipeline.config.json_schema import text

DEFINITIONS = json.loads(text())["$defs"]


def test_every_kind_of_model_is_one_choice() -> None:
    model = DEFINITIONS["TrainerSpec"]["properties"]["model"]
    *own, path = model["oneOf"]
    assert re.search(path["properties"]["kind"]["pattern"], "my_package.encoders:MyEncoder")
    choices = [choice["$ref"].rpartition("/")[2] for choice in own]
    kinds = {DEFINITIONS[name]["properties"]["kind"]["const"]: DEFINITIONS[name] for name in choices}
    assert {"shared_projection", "ten_inputs", "shared_submodel", "recurrent"} <= set(kinds)
    # Only the default may omit its kind; otherwise a model without a kind would match two choices.
    assert [kind for kind, schema in kinds.items() if "kind" not in schema.get("required", [])] == ["shared_projection"]
    assert all(schema["additionalProperties"] is False for schema in kinds.values())


def test_a_form_of_the_loss_is_one_of_ours_or_a_path() -> None:
    own, path = DEFINITIONS["TrainerSpec"]["properties"]["head"]["oneOf"]
    schema = DEFINITIONS[own["$ref"].rpartition("/")[2]]
    assert schema["properties"]["form"]["enum"] == ["auto", "shared", "own", "full"]
    assert schema["additionalProperties"] is False
    assert "required" not in schema
    assert all("description" in field for field in schema["properties"].values())
    pattern = path["properties"]["form"]["pattern"]
    assert re.search(pattern, "my_package.losses:MyForm")
    assert not [form for form in schema["properties"]["form"]["enum"] if re.search(pattern, form)]


def test_the_fields_of_every_kind_are_described() -> None:
    said_by_their_name = {"kind", "cell"}
    model = DEFINITIONS["TrainerSpec"]["properties"]["model"]
    for choice in model["oneOf"][:-1]:
        name = choice["$ref"].rpartition("/")[2]
        fields = DEFINITIONS[name]["properties"]
        assert {field for field in fields if "description" not in fields[field]} <= said_by_their_name, name


def test_a_source_is_of_a_kind_or_of_a_path() -> None:
    *own, path = DEFINITIONS["DataSpec"]["properties"]["source"]["oneOf"]
    by_kind = {}
    for choice in own:
        schema = DEFINITIONS[choice["$ref"].rpartition("/")[2]]
        by_kind[schema["properties"]["kind"]["const"]] = schema
        assert schema["additionalProperties"] is False
        assert schema["required"] == ["kind", *(("uri", "query") if "uri" in schema["properties"] else ())]
        assert all("description" in field for name, field in schema["properties"].items() if name != "kind")
    assert set(by_kind) == {
        *("sotu", "tafeng", "text", "fasttext", "svmlight", "csv", "jsonl", "parquet", "tfrecord", "sql")
    }
    pattern = path["properties"]["kind"]["pattern"]
    assert re.search(pattern, "my_package.sources:MySource")
    # Exactly one choice may match.
    assert not [kind for kind in by_kind if re.search(pattern, kind)]
