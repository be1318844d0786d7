"""One worker of a training, in a separate process. `tests.forks` runs it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from components.training import run
from components.training.devices import workers
from components.training.devices.rendezvous import Rendezvous
from components.training.devices.strategy import Replicas, configure_devices
from components.training.loop import callbacks


def work(
    index: int,
    number: int,
    rendezvous: str,
    fn_args: dict[str, Any],
    replicas: Replicas,
    step: int,
    fault: Sequence[str],
    exports: bool,
) -> None:
    """Train as worker `index` of `number`, or alone.

    Args:
        index: Index of this worker; 0 is the chief.
        number: Number of workers; 0 for a training in one process.
        rendezvous: Folder in which the workers meet.
        fn_args: Attributes of TFX's `FnArgs`.
        replicas: Number of devices of the chief.
        step: Step at which worker 1 runs `fault`; 0 for never.
        fault: Command that does the damage.
        exports: False to train without the export of a model, which takes seconds.
    """
    found = Rendezvous(rendezvous, number, timeout=60, wait=lambda _: time.sleep(0.05))
    shown = callbacks.ProgressLine.on_train_batch_end

    def on_train_batch_end(self: Any, batch: int, logs: Any = None) -> None:
        shown(self, batch, logs)
        if index == 1 and self._state.step == step:
            subprocess.run(fault, check=True)

    callbacks.ProgressLine.on_train_batch_end = on_train_batch_end
    if not exports:
        run.export = lambda *_: None  # pyright: ignore[reportAttributeAccessIssue]
    if index:
        workers.attend(found, index, run.run_fn)
        return
    configure_devices(replicas)
    if number:
        found.clear()
    with workers.calling(found) if number else contextlib.nullcontext():
        run.run_fn(SimpleNamespace(**fn_args))
