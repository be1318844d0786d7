"""Executor of the Pusher, which requires both blessings and never exposes an incomplete model."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import logging
from tfx import types
from tfx.components.evaluator import constants as evaluator_constants
from tfx.components.util import model_utils
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from components.compat.tfx.executors import OpenPusherExecutor
from components.files import is_remote, remove_tree, write_whole
from components.pushing import records, versions
from components.pushing.driver import MODEL_URI_KEY
from components.pushing.spec import ServingSpec

REASON_KEY = "reason"
CARD_KEYS = ("examples", "transform_graph", "baselines", "model_run", "choices")
"""Inputs from which, with the evaluation, the model card is made. Without one of them there is no card."""
SEARCH_KEY = "tuner_results"
"""Further input for the model card, if the values of the training were searched for."""
_VALIDATORS = {
    standard_component_specs.MODEL_BLESSING_KEY: "the Evaluator",
    standard_component_specs.INFRA_BLESSING_KEY: "the InfraValidator",
}


class PusherExecutor(OpenPusherExecutor):
    """Executor that pushes a model only if both the Evaluator and the InfraValidator have blessed it.

    TFX's own Pusher pushes if it gets no blessing at all, and writes into the version's directory while a model server
    may read it. This executor pushes nothing if a blessing is missing, negative or for another model. It writes the
    cause to the custom property `reason` of the output `pushed_model`.

    A local destination gets the whole version by one rename (`versions.push`). A remote destination (`gs://`) cannot
    rename a directory. There, `saved_model.pb`, which model servers wait for, is copied last, and an exception deletes
    the incomplete copy. A remote version has no record of its metrics, and old remote versions are not deleted.

    A model that a rollback has replaced is not pushed again: see `versions.push`.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push the model, or record the reason for not pushing it.

        Args:
            input_dict: `model`, `model_blessing` and `infra_blessing`; and optionally `evaluation`, whose metrics are
                recorded with the version.
            output_dict: `pushed_model`, which gets a copy of a pushed model and the custom properties `pushed` (0 or
                1), `pushed_destination`, `pushed_version` and `model_uri`, or `reason`.
            exec_properties: `push_destination`, a PushDestination as JSON; and `custom_config`, whose key `serving` is
                a `ServingSpec`.

        Raises:
            ValueError: The destination has no directory in a file system.
        """
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        reason = refusal(input_dict)
        if reason:
            self._refuse(pushed, reason)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
        directory = destination.filesystem.base_directory
        if not directory:
            raise ValueError("push_destination.filesystem.base_directory is not set")
        model = self.GetModelPath(input_dict)
        local = not is_remote(directory) and not is_remote(model)
        figures = _figures(input_dict) if local else {}
        cards = _cards(input_dict, exec_properties)
        if local:
            versions.refuse_links_outside(Path(model))
        # The archive comes first, so that nothing can fail once the version is visible.
        io_utils.copy_dir(model, pushed.uri)
        try:
            target = str(versions.push(Path(model), Path(directory), **figures, cards=cards)) if local else None
        except versions.Withdrawn as error:
            remove_tree(pushed.uri)
            self._refuse(pushed, str(error))
            return
        target = target or _push_remote(model, directory, cards)
        self.mark_pushed(pushed, target, target.rsplit("/", maxsplit=1)[-1])
        trained = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        pushed.set_string_custom_property(MODEL_URI_KEY, trained.uri)
        logging.info("The model is pushed to %s.", target)
        if local:
            _prune(directory, exec_properties)

    def _refuse(self, pushed: types.Artifact, reason: str) -> None:
        logging.warning("The model is not pushed: %s.", reason)
        self.mark_not_pushed(pushed)
        pushed.set_string_custom_property(REASON_KEY, reason)

    def CheckBlessing(self, input_dict: dict[str, list[types.Artifact]]) -> bool:
        """Return True if both validators have blessed this model."""
        return refusal(input_dict) is None


def refusal(input_dict: dict[str, list[types.Artifact]]) -> str | None:
    """Return the reason for not pushing the model, or None if it may be pushed.

    Args:
        input_dict: Artifacts by input. `model`, `model_blessing` and `infra_blessing` must have exactly one each.
    """
    models = input_dict.get(standard_component_specs.MODEL_KEY) or []
    if len(models) != 1:
        return f"there are {len(models)} models, not one"
    for key, validator in _VALIDATORS.items():
        blessings = input_dict.get(key) or []
        if len(blessings) != 1:
            return f"there are {len(blessings)} blessings of {validator}, not one"
        if not model_utils.is_model_blessed(blessings[0]):
            return f"{validator} has not blessed it"
        of = blessings[0].get_string_custom_property(evaluator_constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY)
        if of != models[0].uri:
            return f"{validator} has blessed another model ({of or 'unnamed'})"
    return None


def _figures(input_dict: dict[str, list[types.Artifact]]) -> dict[str, Any]:
    """Return the metrics of the model and of the last blessed model; empty without an evaluation."""
    evaluations = input_dict.get(standard_component_specs.EVALUATION_KEY)
    if not evaluations:
        return {}
    # Imported here, because TFMA takes seconds, and BulkInferrer imports this module for a constant.
    from components.evaluation.results import read_results

    result = read_results(evaluations[0].uri)
    return {"metrics": result["metrics"], "previous": result["previous"]}


def _cards(input_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any]) -> dict[str, str]:
    """Return the texts of the model card by their path in a version; empty without the inputs of a card."""
    about = _custom_config(exec_properties).get("about")
    keys = (*CARD_KEYS, standard_component_specs.EVALUATION_KEY)
    if not about or not all(input_dict.get(key) for key in keys):
        return {}
    from components.pushing.card.content import make_card
    from components.pushing.card.render import as_html, as_markdown

    found = {key: input_dict[key] for key in (*keys, SEARCH_KEY) if input_dict.get(key)}
    card = make_card(found, about)
    markdown, html = records.CARDS
    return {markdown: as_markdown(card), html: as_html(card)}


def _custom_config(exec_properties: dict[str, Any]) -> dict[str, Any]:
    return json.loads(exec_properties.get(standard_component_specs.CUSTOM_CONFIG_KEY) or "{}")


def _prune(directory: str, exec_properties: dict[str, Any]) -> None:
    """Delete the versions beyond `serving.keep`. A failure is only logged, because the model is already pushed."""
    keep = ServingSpec.model_validate(_custom_config(exec_properties).get("serving", {})).keep
    if keep is None:
        return
    try:
        deleted = versions.prune(Path(directory), keep)
    except OSError as error:
        logging.warning("Old versions of the model were not deleted (serving.keep): %s.", error)
    else:
        logging.info("Versions deleted by serving.keep=%d: %s.", keep, deleted)


def _push_remote(model: str, directory: str, cards: Mapping[str, str]) -> str:
    existing = [int(name) for name in map(_name, _list(directory)) if name.isdecimal()]
    target = f"{directory}/{max([int(time.time()), *(version + 1 for version in existing)])}"
    try:
        io_utils.copy_dir(model, target, deny_regex_patterns=[r"saved_model\.pb"])
        for name, text in cards.items():
            write_whole(f"{target}/{name}", text)
        io_utils.copy_file(f"{model}/saved_model.pb", f"{target}/saved_model.pb")
    except BaseException:
        if fileio.exists(target):
            remove_tree(target)
        raise
    return target


def _list(directory: str) -> list[Any]:
    return list(fileio.listdir(directory)) if fileio.exists(directory) else []


def _name(entry: Any) -> str:
    # Object stores list folders with a trailing slash, and some file systems return bytes.
    return os.fsdecode(entry).rstrip("/")
