"""Nodes BaseModel and Trainer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.node import Node, Outputs, Section, Site, Space, Specs, Workers
from components.training.charts import curves

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode

    from components.ingest.extent import Extent


def custom_config(site: Site, checkpoints: str, code: str) -> dict[str, str]:
    """Return the configuration of a training: see `components.training.run.run_fn`.

    Args:
        site: Configuration and folders.
        checkpoints: Folder of the checkpoints.
        code: Module that trains, whose source is part of the cache key.
    """
    from components.code import fingerprint
    from components.metrics.own import modules_of

    specs, trainer = site.specs, site.specs.trainer
    of_labels = {}
    if specs.labels is not None:
        from components.labels.reading import digest

        of_labels = {"labels": specs.labels.model_dump_json(), "labels_digest": digest(specs.labels.file)}
    own = (*trainer.model.source_modules, *trainer.head.source_modules, *modules_of(specs.evaluation.metrics))
    return {
        "trainer": trainer.model_dump_json(exclude_unset=True),
        "data": site.columns.model_dump_json(),
        "vocabulary": specs.vocabulary.model_dump_json(),
        "bands": specs.evaluation.bands.model_dump_json(),
        "metrics": json.dumps(specs.evaluation.metrics),
        "exclude_seen": json.dumps(specs.evaluation.exclude_seen),
        **of_labels,
        "checkpoints": checkpoints,
        "code": fingerprint(code, *own),
    }


class BaseModelNode(Node):
    """Node that finds the base model of a warm start."""

    name = "BaseModel"

    def present(self, specs: Specs) -> bool:
        """Return True if `trainer.warm_start` is set."""
        return specs.trainer.warm_start

    def build(self, site: Site) -> BaseNode:
        """Build the resolver, which skips models that were trained on this run's output of Transform."""
        from components.compat.tfx.v1 import v1 as tfx
        from components.training.warm_start.base_model import LastBlessedOnOtherData

        return tfx.dsl.Resolver(
            strategy_class=LastBlessedOnOtherData,
            model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
            model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
            transform_graph=site.output("transform_graph", "Transform"),
        ).with_id(self.name)

    def line(self, outputs: Outputs) -> str:
        """Return the number of the earlier model, or a note that the training starts cold."""
        from pathlib import Path

        found = outputs.get("model")
        return (
            f"starts from model {Path(found[0].uri).name}" if found else "no blessed model of other data: starts cold"
        )


class TrainerNode(Node):
    """Node that trains the model and exports the best weights."""

    name = "Trainer"
    accelerated = True
    sections = (
        Section(30, "components.training:training.html.j2", curves),
        Section(46, "components.training:neighbors.html.j2"),
    )

    def build(self, site: Site) -> BaseNode:
        """Build the TFX component that calls `run_fn`, with the specs as JSON in its custom config."""
        from components.compat.tfx.v1 import v1 as tfx

        return tfx.components.Trainer(
            run_fn="components.training.run.run_fn",
            base_model=site.output("model", "BaseModel") if "BaseModel" in site.built else None,
            examples=site.output("transformed_examples", "Transform"),
            transform_graph=site.output("transform_graph", "Transform"),
            schema=site.output("schema", "ImportSchemaGen"),
            hyperparameters=(
                site.output("best_hyperparameters", "Tuner")
                if "Tuner" in site.built
                else site.output("choices", "Defaults")
            ),
            train_args=tfx.proto.TrainArgs(splits=["train"]),
            eval_args=tfx.proto.EvalArgs(splits=["eval"]),
            custom_config=custom_config(site, site.checkpoints, "components.training.run"),
        )

    def space(self, specs: Specs, extent: Extent) -> Space:
        """Return the space of the checkpoints, the export, and the weights for a warm start."""
        from components.training.size import training_space

        return training_space(specs, extent)

    def prepare(self, specs: Specs) -> None:
        """Configure the devices that share a training step."""
        from components.training.devices import strategy

        strategy.configure_devices(specs.trainer.replicas)

    def workers(self, folder: str, count: int, timeout: float, address: str | None) -> Workers:
        """Return the pods of one training, which find each other through files in the shared folder."""
        from components.training.devices.rendezvous import Rendezvous
        from components.training.pods import TrainerPods

        return TrainerPods(Rendezvous(folder, count, timeout, address))

    def line(self, outputs: Outputs) -> str:
        """Return the epochs, the examples per second, the metrics of the best validation, and the calibration.

        Options of the export and their loss follow.
        """
        from components.metrics.headline import headline
        from components.training.history import read_history, served_lines

        training = read_history(outputs["model_run"][0].uri)
        best, last = training["best"], training["validations"][-1]
        speed = f"{best['examples_per_second']:,.0f} examples/s on {training['devices']}"
        line = f"{last['epoch']:.1f} epochs, {speed}; validation {headline(best, 'trainer')}"
        more = [*_calibrated(training.get("label_calibration")), *_featured(training.get("label_features"))]
        more += served_lines(training)
        return "; ".join([line, *more])

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the section `training`, and the nearest neighbors of some entries of the vocabularies."""
        from components.report.sections.training import training_section
        from components.training.history import read_history

        history = read_history(run[self.name]["model_run"][0].uri)
        return {"training": training_section(history), "neighbors": history.get("neighbors", {})}


def _featured(coverage: Mapping[str, int] | None) -> list[str]:
    """Return a note on the labels without features: `features of 900 labels, 12 have none`."""
    if not coverage:
        return []
    return [f"features of {coverage['with_features']:,} labels, {coverage['without_features']:,} have none"]


def _calibrated(calibration: Mapping[str, Any] | None) -> list[str]:
    """Return a note on the calibration of the label: `temperature 1.21, ECE 0.031 -> 0.008`.

    For several labels, the note may have `scale` and `shift` in place of the temperature, and the `threshold`.
    """
    from components.messages.formatting import figure

    if not calibration:
        return []
    before, after = (figure(calibration[when]["ece"]) for when in ("before", "after"))
    fitted = {name: calibration[name] for name in ("temperature", "scale", "shift", "threshold") if name in calibration}
    return [
        ", ".join([*(f"{name} {figure(value, '.2f')}" for name, value in fitted.items()), f"ECE {before} -> {after}"])
    ]
