"""Text of a configuration with comments, and text of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_validation.header import SCHEMA_HEADER
from components.ingest.rows.columns import columns_of
from components.ingest.spec import DataSpec
from components.messages.formatting import printable
from pipeline.init.profile import Profile
from pipeline.init.roles import Choice
from pipeline.init.sampling import Sample

_FEW_VALUES = 100
_KNOWN_SHARE = 0.95
_WIDTH = 44


def configuration(name: str, sample: Sample, choice: Choice, folder: Path) -> str:
    """Return the text of a configuration.

    Args:
        name: Name of the pipeline.
        sample: Sample of the rows, with the source.
        choice: Keys and reasons.
        folder: Folder of the configuration, to which the path of the source is relative.
    """
    about = f"{len(sample.rows):,} rows of {sample.files:,} file{'s' * (sample.files > 1)}"
    notes = [*sample.notes, *(f"? {unsure[0].upper()}{unsure[1:]}" for unsure in [*sample.unsure, *choice.unsure])]
    lines = [f"# Written by `bigvocab init` from {about}. Check what is marked with `?`."]
    lines += [f"# {printable(note[0].upper() + note[1:])}." for note in notes]
    lines += ["", f"name: {_inline(name)}", "data:"]
    source = sample.source.model_dump(exclude_unset=True)
    source["path"] = _relative(Path(source["path"]), folder)
    lines.append(_line("shape", choice.data["shape"], choice.reasons.get("shape", ""), 2))
    lines.append(f"  source: {_inline(source)}")
    for key, value in choice.data.items():
        if key == "shape":
            continue
        if key == "features":
            lines.append("  features:")
            lines += [_line(n, spec, choice.reasons.get(f"features.{n}", ""), 4) for n, spec in value.items()]
        else:
            lines.append(_line(key, value, choice.reasons.get(key, ""), 2))
    if choice.vocabulary:
        reason = choice.reasons["vocabulary"]
        lines += [f"# {printable(reason[0].upper() + reason[1:])}.", "vocabulary:"]
        lines += [f"  {key}: {_inline(value)}" for key, value in choice.vocabulary.items()]
    if choice.left_out:
        lines += [
            "",
            "# Left out:",
            *(f"#   {printable(f'{column}: {reason}')}" for column, reason in choice.left_out.items()),
        ]
    if choice.advice:
        lines += ["", "# Under data,", *(f"#   {printable(advice)}" for advice in choice.advice)]
    return "\n".join(lines) + "\n"


def schema(data: DataSpec, columns: Mapping[str, Profile]) -> str:
    """Return the text of a schema: the type of each column, and the values of each category with few values.

    Args:
        data: Data specification.
        columns: Profiles of the columns.
    """
    found = schema_pb2.Schema()
    tokens = {*data.inputs, *([data.label] if data.label and data.label_kind != "number" else [])}
    for name in columns_of(data):
        feature = found.feature.add(name=name)
        spec = data.features.get(name)
        number = spec is not None and spec.kind == "number" if name != data.label else data.label_kind == "number"
        feature.type = schema_pb2.FLOAT if number else schema_pb2.BYTES
        feature.presence.min_count = 1
        if name == data.label or (name in data.inputs and data.shape == "sequence"):
            feature.presence.min_fraction = 1.0
        feature.value_count.min = 2 if name in data.inputs and data.shape == "sequence" else 1
        if name not in data.inputs and not (name == data.label and data.several_labels):
            feature.value_count.max = 1
        profile = columns.get(name)
        if name not in tokens and not number and profile and profile.distinct <= _FEW_VALUES:
            values = [text for text, _ in profile.texts.most_common() if text not in profile.markers]
            feature.string_domain.value.extend(sorted(values))
            feature.distribution_constraints.min_domain_mass = _KNOWN_SHARE
    return SCHEMA_HEADER + text_format.MessageToString(found)


def _line(key: str, value: Any, reason: str, indent: int) -> str:
    text = f"{' ' * indent}{_inline(key)}: {_inline(value)}"
    return f"{text:{_WIDTH}}  # {printable(reason)}" if reason else text


def _inline(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.dump(value, None, _OneLine, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


class _OneLine(yaml.SafeDumper):
    """Dumper that writes line breaks and control characters as escapes."""


_OneLine.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"'
    ),
)


def _relative(path: Path, folder: Path) -> str:
    try:
        return str(path.resolve().relative_to(folder.resolve()))
    except ValueError:
        return str(path.resolve())
