"""Pods that search side by side: each runs trials of the same study."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from components.training.devices.rendezvous import Rendezvous
from components.tuning.search import search
from components.tuning.spec import TunerSpec

_rendezvous: ContextVar[Rendezvous | None] = ContextVar("rendezvous", default=None)


def call_others(arguments: Any, spec: TunerSpec, folder: str) -> int:
    """Call the other pods of this search, and return the number of pods. 1 if this process searches alone.

    Args:
        arguments: Arguments of the training.
        spec: Ranges and budget.
        folder: Folder of all searches.

    Raises:
        WorkerLost: The other pods did not answer.
    """
    rendezvous = _rendezvous.get()
    if rendezvous is None:
        return 1
    called = {"arguments": vars(arguments), "spec": spec.model_dump_json(exclude_unset=True), "folder": folder}
    return len(rendezvous.call(called))


@dataclass(frozen=True)
class TunerPods:
    """Pods of one search.

    Attributes:
        rendezvous: Rendezvous of the pods.
    """

    rendezvous: Rendezvous

    def lead(self, run: Callable[[], int]) -> int:
        """Run the node in the first pod, and return the exit code of `run`."""
        return self.rendezvous.lead(run, _calling(self.rendezvous))

    def follow(self, worker: int) -> None:
        """Run trials beside the first pod.

        Args:
            worker: Number of this pod, 1 or higher.

        Raises:
            WorkerLost: The first pod did not call.
        """
        invitation = self.rendezvous.answer(worker)
        if invitation is None:
            return
        called = invitation.arguments
        spec = TunerSpec.model_validate_json(called["spec"])
        search(SimpleNamespace(**called["arguments"]), spec, called["folder"], worker, len(invitation.hosts))


@contextlib.contextmanager
def _calling(rendezvous: Rendezvous) -> Iterator[None]:
    token = _rendezvous.set(rendezvous)
    try:
        yield
    finally:
        _rendezvous.reset(token)
