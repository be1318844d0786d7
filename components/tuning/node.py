"""Node Tuner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.node import Node, Outputs, Section, Site, Specs, Workers

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode


class TunerNode(Node):
    """Node that searches for values of trainer keys."""

    name = "Tuner"
    accelerated = True
    sections = (Section(28, "components.tuning:tuner.html.j2"),)

    def present(self, specs: Specs) -> bool:
        """Return True if the configuration has a section `tuner`."""
        return specs.tuner is not None

    def build(self, site: Site) -> BaseNode:
        """Build the component, whose best values the Trainer takes."""
        from components.training.node import custom_config
        from components.tuning.component import Tuner

        assert site.specs.tuner is not None
        config = custom_config(site, checkpoints="", code="components.tuning.component")
        return Tuner(
            examples=site.output("transformed_examples", "Transform"),
            transform_graph=site.output("transform_graph", "Transform"),
            choices=site.output("choices", "Defaults"),
            tuner=site.specs.tuner,
            custom_config=config,
            folder=site.searches,
            code=config["code"],
        )

    def prepare(self, specs: Specs) -> None:
        """Configure the devices, as for the Trainer."""
        from components.training.devices import strategy

        strategy.configure_devices(specs.trainer.replicas)

    def workers(self, folder: str, count: int, timeout: float, address: str | None) -> Workers:
        """Return the pods of one search, which find each other through files in a shared folder.

        Args:
            folder: Shared folder.
            count: Number of pods.
            timeout: Time that a pod waits for the others, in seconds.
            address: Address of this pod; None to look it up.
        """
        from components.training.devices.rendezvous import Rendezvous
        from components.tuning.pods import TunerPods

        return TunerPods(Rendezvous(folder, count, timeout, address))

    def line(self, outputs: Outputs) -> str:
        """Return the number of trials, and the values and metrics of the best one."""
        from components.metrics.headline import headline
        from components.tuning.results import read_trials
        from components.tuning.words import words

        found = read_trials(outputs["tuner_results"][0].uri)
        trials, best = found["trials"], found["trials"][found["best"]]
        pruned = sum(trial["state"] == "pruned" for trial in trials)
        first = headline(trials[0]["best"], "curve") if trials[0]["state"] == "complete" else "stopped early"
        before = "" if best is trials[0] else f"; trial 0, as configured: {first}"
        return (
            f"{len(trials)} trials, {pruned} stopped early; the best is trial {best['number']}: "
            f"{words(best['values'])}; validation {headline(best['best'], 'curve')}{before}"
        )

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the section `tuning`."""
        import yaml

        from components.tuning.results import read_trials
        from components.tuning.space import SECTION, tree

        found = read_trials(run[self.name]["tuner_results"][0].uri)
        pinned = {SECTION: tree(found["trials"][found["best"]]["values"])}
        return {"tuning": {**found, "pinned": yaml.safe_dump(pinned, sort_keys=False)}}
