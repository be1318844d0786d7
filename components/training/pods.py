"""Pods that train one model together. The first pod runs the node of the pipeline, and the others follow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.training.devices import workers
from components.training.devices.rendezvous import Rendezvous
from components.training.run import run_fn


@dataclass(frozen=True)
class TrainerPods:
    """Pods of one training.

    Attributes:
        rendezvous: Rendezvous of the pods.
    """

    rendezvous: Rendezvous

    def lead(self, run: Callable[[], int]) -> int:
        """Run the node in the first pod, training with the other pods, and return the exit code of `run`."""
        return self.rendezvous.lead(run, workers.calling(self.rendezvous))

    def follow(self, worker: int) -> None:
        """Train with the first pod.

        Args:
            worker: Number of this worker, 1 or higher.

        Raises:
            WorkerLost: The first pod did not call, or a worker has ended.
        """
        workers.attend(self.rendezvous, worker, run_fn)
