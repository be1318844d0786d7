"""Training that kills its own process at a given moment. `tests.forks` runs it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tensorflow.python.checkpoint import functional_saver

from components.training import run
from components.training.devices.strategy import configure_devices
from components.training.loop import callbacks, checkpoint


def train(fn_args: dict[str, Any], replicas: int, die: str, step: int) -> None:
    """Train until the end, without the export of a model, or until the process kills itself.

    Args:
        fn_args: Attributes of TFX's `FnArgs`.
        replicas: Number of devices.
        die: `never`; `training`, at `step`; or at the first checkpoint from `step` on: `before the index` is written,
            or after its `cut index` or `cut data` file was cut in half.
        step: See `die`.
    """
    configure_devices(replicas)
    save, shown = checkpoint.Checkpoints.save, callbacks.ProgressLine.on_train_batch_end

    def save_now_and_then(self: Any, state: Any) -> None:
        # Save as with a long interval: at some steps, and at every validation.
        if state.step % 7 and state.running:
            return
        last = state.step >= step and die != "training"
        if last and die == "before the index":
            functional_saver.gen_io_ops.merge_v2_checkpoints = _die
        save(self, state)
        if last:
            part = "index" if die == "cut index" else "data-00000-of-00001"
            spoilt = Path(self._directory, f"step-{state.step:010}.{part}")
            os.truncate(spoilt, spoilt.stat().st_size // 2)
            _die()

    def on_train_batch_end(self: Any, batch: int, logs: Any = None) -> None:
        shown(self, batch, logs)
        if die == "training" and self._state.step >= step:
            _die()

    checkpoint.Checkpoints.save = save_now_and_then
    callbacks.ProgressLine.on_train_batch_end = on_train_batch_end
    run.export = lambda *_: None  # pyright: ignore[reportAttributeAccessIssue]
    run.run_fn(SimpleNamespace(**fn_args))


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
