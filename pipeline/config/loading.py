"""Loading of a `Config` from a preset or a YAML file. A single error names all faults."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.files import exists, is_remote, located, names_beside
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec
from components.labels.reading import LabelsError, read_items
from components.messages.redaction import is_secret_name, redacted
from components.messages.spelling import did_you_mean
from pipeline.config.document import MAX_BYTES, Document, NotYaml, decoded, parse
from pipeline.config.errors import ConfigurationError
from pipeline.config.keys import Key, dotted, new_name, place
from pipeline.config.preset_files import DEFAULT_PRESET, PRESETS, preset_names
from pipeline.config.sections.beam import option_faults
from pipeline.config.spec import Config

_SHOWN = 200
"""Characters of a value in a message, at most."""


def load(name: str | None = None, settings: Iterable[str] = (), quick: bool = False) -> Config:
    """Load a configuration.

    If a configuration of labelled rows does not set `data.label_kind`, the first rows of local files decide if it is
    `classes`: see `label_lists`.

    Args:
        name: Name of a preset, or path of a YAML file. `None` selects the default preset.
        settings: Overrides of the form `a.b=c`, applied last. The value is YAML.
        quick: True to apply the settings in the configuration's `quick`.

    Raises:
        ConfigurationError: The configuration has faults. The error names all of them.
    """
    path, text = _read(name or DEFAULT_PRESET)
    return _with_absolute_paths(_loaded(path, text, settings, quick, looks=True), path)


def loads(text: str, settings: Iterable[str] = ()) -> Config:
    """Load a configuration from its text, in which all paths must be absolute. See `load`."""
    return _loaded(Path("configuration"), text, settings, quick=False)


def _loaded(path: Path, text: str, settings: Iterable[str], quick: bool, looks: bool = False) -> Config:
    """Return the configuration in a text.

    Args:
        path: Path of the text, for messages and for relative paths.
        text: The text.
        settings: Overrides.
        quick: True to apply the settings in the configuration's `quick`.
        looks: True to look for lists of labels in local files.
    """
    tree, lines, faults = _parse(path, text)
    origin: dict[Key, str] = {key: f"{path}:{line}" for key, line in lines.items()}
    quick_tree, quick_origin, in_quick = copy.deepcopy(tree), dict(origin), f"{path}: quick"
    if isinstance(tree.get("quick"), dict):
        for key, value in tree["quick"].items():
            _put(quick_tree, str(key), value, in_quick, quick_origin, faults)
    if quick:
        tree, origin = quick_tree, quick_origin
    else:  # Report faults in `quick` even if it is not applied.
        if looks:
            _put_label_kind(quick_tree, path, quick_origin)
        faults += [fault for fault in _validated(quick_tree, quick_origin, path)[1] if fault.startswith(in_quick)]
    for setting in settings:
        _set(tree, setting, f"--set {_shown_setting(setting)}", origin, faults)
    if looks:
        _put_label_kind(tree, path, origin)
    config, more = _validated(tree, origin, path)
    faults += more
    if faults or not config:
        # A setting is part of its message, and may contain a URI.
        raise ConfigurationError("\n".join(dict.fromkeys(map(_without_password, faults))))
    return config


def _put_label_kind(tree: dict[str, Any], file: Path, origin: dict[Key, str]) -> None:
    """Set `data.label_kind: classes` if the configuration leaves it to the data, and the labels are lists."""
    try:
        data = DataSpec.model_validate(tree.get("data"))
    except ValidationError:  # Reported with the other faults.
        return
    if data.shape != "labelled":
        return
    from pipeline.config.label_lists import lists_of_labels  # Imports NumPy, as the readers of rows do.

    if found := lists_of_labels(data, file.parent):
        _put(tree, "data.label_kind", "classes", f"{found}: several labels in column '{data.label}'", origin, [])


def _set(tree: dict[str, Any], setting: str, shown: str, origin: dict[Key, str], faults: list[str]) -> None:
    """Apply a setting of the form `a.b=c`, which messages show as `shown`."""
    key, equals, value = setting.partition("=")
    if not equals or not key.strip():
        faults.append(f"{shown}: expected key=value, as in --set trainer.epochs=2")
        return
    try:
        # YAML has meanings of its own for `|`, `::` and `-`, which are delimiters here.
        document = Document(value) if re.fullmatch(r"[|:;,#>-]{1,3}", value) else parse(value)
    except NotYaml as error:
        reason = str(error).removeprefix("not YAML: ")
        faults.append(f"{shown}: the value is not YAML ({reason})")
        return
    faults += [f"{shown}: duplicate key {dotted((key.strip(), *double))}" for double, *_ in document.doubles]
    _put(tree, key.strip(), document.tree, shown, origin, faults)


def check_files(config: Config, schema_needed: bool = True) -> None:
    """Check a configuration against the file system and Beam's options.

    Raises:
        ConfigurationError: The source or schema is missing, or Beam has no such option. The error names all faults.
    """
    faults = source_of(config.data.source).missing()
    if schema_needed:
        faults += schema_faults(config)
    faults += option_faults(config.beam)
    faults += label_faults(config)
    if faults:
        raise ConfigurationError("\n".join(faults))


def schema_faults(config: Config) -> list[str]:
    """Return a message if the schema file does not exist, or if neither configuration nor source has a schema."""
    schema = config.data.schema_file
    if schema and not is_remote(schema) and not exists(schema):
        return [f"data.schema_file: {schema} does not exist; `bigvocab schema FILE.yaml` writes one from the data"]
    if not schema and not source_of(config.data.source).schema_file():
        return ["data.schema_file is missing; `bigvocab schema FILE.yaml` writes FILE.schema.pbtxt from the data"]
    return []


def label_faults(config: Config) -> list[str]:
    """Return the faults of the file with the features of labels: see `read_items`."""
    if config.labels is None:
        return []
    try:
        read_items(config.labels)
    except LabelsError as error:
        return str(error).splitlines()
    return []


def _read(name: str) -> tuple[Path, str]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or exists(name):
        try:
            with path.open("rb") as file:
                return path.resolve(), decoded(file.read(MAX_BYTES + 1))
        except NotYaml as error:
            raise ConfigurationError(f"{_place_in(name, error)}: {error}") from error
        except OSError as error:
            beside = [other for other in names_beside(path) if other.endswith((".yaml", ".yml"))]
            raise ConfigurationError(f"{name}: {error.strerror}{did_you_mean(path.name, beside)}") from error
    if name not in preset_names():
        near = did_you_mean(name, preset_names())
        raise ConfigurationError(f"{name}: no such preset{near}; the presets are {', '.join(preset_names())}")
    return Path(str(PRESETS / f"{name}.yaml")), (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def _parse(path: Path, text: str) -> tuple[dict[str, Any], dict[Key, int], list[str]]:
    """Return the parsed tree, the line of each key, and a fault for each key that stands twice."""
    try:
        document = parse(text)
    except NotYaml as error:
        raise ConfigurationError(f"{_place_in(path, error)}: {error}") from error
    if not isinstance(document.tree, dict):
        raise ConfigurationError(f"{path}: expected keys and values, as in 'name: my_data'")
    doubles = [
        f"{path}:{line}: duplicate key {dotted(key)}, first in line {first}" for key, line, first in document.doubles
    ]
    return document.tree, document.lines, doubles


def _place_in(file: str | Path, error: NotYaml) -> str:
    return f"{file}:{error.line}" if error.line else str(file)


def _put(
    tree: dict[str, Any], dotted_key: str, value: Any, source: str, origin: dict[Key, str], faults: list[str]
) -> None:
    key = tuple(dotted_key.split("."))
    for depth, part in enumerate(key[:-1], start=1):
        if part not in tree:
            tree[part] = {}
            origin[key[:depth]] = source
        if not isinstance(tree[part], dict):
            faults.append(f"{source}: {dotted(key[:depth])} is a value, not a group of keys")
            return
        tree = tree[part]
    tree[key[-1]] = value
    for below in [known for known in origin if known[: len(key)] == key]:
        del origin[below]  # The line of a value that is now replaced.
    origin[key] = source


def _validated(tree: dict[str, Any], origin: Mapping[Key, str], file: Path) -> tuple[Config | None, list[str]]:
    """Return the configuration, or its faults."""
    try:
        return Config.model_validate(tree), []
    except ValidationError as error:
        details: list[Mapping[str, Any]] = [*error.errors()]
        for detail in error.errors():
            if detail["type"].startswith("union_tag") and isinstance(detail["input"], Mapping):
                # pydantic leaves the keys beside a wrong kind unread.
                keys = [(*detail["loc"], str(key)) for key in detail["input"]]
                details += [
                    {"type": "extra_forbidden", "loc": key} for key in keys if key[-1] not in place(key, tree).fields
                ]
        return None, [_fault(detail, tree, origin, str(file)) for detail in details]


def _fault(detail: Mapping[str, Any], tree: Mapping[str, Any], origin: Mapping[Key, str], file: str) -> str:
    at = place(tuple(detail["loc"]), tree)
    location = at.key
    context = detail.get("ctx", {})
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        location = (*location, "kind")
    where = next((origin[location[:n]] for n in range(len(location), 0, -1) if location[:n] in origin), file)
    key = dotted(location)
    if detail["type"] == "union_tag_invalid":
        near = did_you_mean(str(context["tag"]), _quoted(context["expected_tags"]))
        return (
            f"{where}: {key}: Input should be one of {context['expected_tags']} (found {_shown(context['tag'])}){near}"
        )
    if detail["type"] == "extra_forbidden":
        if at.other_kinds:
            kinds = " and ".join(repr(kind) for kind in at.other_kinds)
            return f"{where}: {key} is a key of kind {kinds}, but {dotted(location[:-1])}.kind is {at.kind!r}"
        renamed = new_name(location)
        if renamed and renamed[-1] in at.fields:  # A kind of the user's own may never have had the key.
            return f"{where}: {key} was renamed: use {dotted(renamed)}"
        return f"{where}: unknown key {key}{did_you_mean(str(location[-1]), at.fields)}"
    if detail["type"] in ("missing", "union_tag_not_found"):
        return f"{where}: {key} is missing"
    message = detail["msg"].removeprefix("Value error, ")
    value = detail.get("input")
    shown = "" if isinstance(value, (dict, list)) or value is None else f" (found {_shown(value)})"
    near = did_you_mean(str(value), _quoted(context["expected"])) if detail["type"] == "literal_error" else ""
    return f"{where}: {key + ': ' if key else ''}{message}{shown}{near}"


def _shown(value: Any) -> str:
    """Return a value for a message, without its end if it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits.
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _shown_setting(setting: str) -> str:
    """Return a setting for a message, without its value if a key in it is the name of a secret."""
    key, equals, _ = setting.partition("=")
    if any(map(is_secret_name, re.findall(r"[\w-]+", setting))):
        return f"{key}=***" if equals else "***"
    return setting


def _without_password(text: str) -> str:
    """Return a message without the secrets of its URIs, and without the password of an address `user:password@host`."""
    return re.sub(r"(?<=\w:)[^\s:@/'\"]+@(?=\w)", "***@", redacted(text))


def _quoted(words: str) -> list[str]:
    """Return the quoted words of a pydantic text such as `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", words)


def _with_absolute_paths(config: Config, file: Path) -> Config:
    """Resolve paths relative to the configuration file, and find a schema file beside it by name."""
    data = config.data
    changes: dict[str, Any] = {}
    source = data.source.relative_to(file.parent)
    if source != data.source:
        changes["source"] = source
    if data.schema_file and "://" not in data.schema_file:
        changes["schema_file"] = located(data.schema_file, file.parent)
    elif not data.schema_file and exists(file.with_suffix(".schema.pbtxt")):
        changes["schema_file"] = str(file.with_suffix(".schema.pbtxt"))
    inference = config.inference
    if inference.path and not is_remote(inference.path):
        inference = inference.model_copy(update={"path": located(inference.path, file.parent)})
    data = data.model_copy(update=changes) if changes else data
    labels = config.labels
    if labels is not None and not is_remote(labels.file):
        labels = labels.model_copy(update={"file": located(labels.file, file.parent)})
    return config.model_copy(update={"data": data, "inference": inference, "labels": labels})
