"""A pod's step, in this process and without its node."""

from __future__ import annotations

import contextlib
import errno
import io
import signal
from pathlib import Path

import pytest

from pipeline.config.loading import load
from pipeline.execution import pod, spans
from pipeline.execution.interruption import Interruption
from pipeline.execution.pod import Pod

FULL = "No space left on device"


def example_gen(root: Path) -> Pod:
    return Pod("ExampleGen", load("decades"), str(root), "one")


def test_a_signal_that_got_lost_in_an_earlier_span_ends_the_pod(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ingest_earlier(*arguments: object) -> None:
        interruption = arguments[-1]
        assert isinstance(interruption, Interruption)
        with contextlib.suppress(KeyboardInterrupt):  # As a callback of native code drops it.
            signal.raise_signal(signal.SIGTERM)
        interruption.check()

    monkeypatch.setattr(spans, "ingest_earlier", ingest_earlier)
    monkeypatch.setattr(pod, "_run_one", lambda *_: 0)
    out = io.StringIO()
    assert pod.run(example_gen(tmp_path), out) == 130
    assert "ExampleGen was interrupted" in out.getvalue()


def test_a_full_volume_is_reported_first_also_where_the_reason_cannot_be_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, FULL)

    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setattr(pod, "TERMINATION_LOG", log)
    monkeypatch.setattr(spans, "ingest_earlier", full)
    monkeypatch.setattr(Path, "write_text", full)
    assert pod.run(example_gen(tmp_path), io.StringIO()) == 1
    assert capsys.readouterr().err.startswith(f"ExampleGen failed. {FULL}: {tmp_path}; ")
