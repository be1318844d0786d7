"""Command `bigvocab doctor`: checks of this machine, with advice for each fault."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from rich.text import Text

from components.messages.formatting import in_bytes
from components.messages.terminal import Terminal
from components.storage import free_space, full_temporary_folder

if TYPE_CHECKING:
    from pipeline.config.spec import Config

PACKAGES = ("tfx", "tensorflow", "keras", "apache-beam", "ml-metadata", "tensorflow-data-validation", "tensorboard")
GLIBC = {(3, 11): (2, 28), (3, 12): (2, 39), (3, 13): (2, 39)}
"""Oldest version of glibc for which all packages in the lock publish wheels, by Python version."""
TESTED = [(3, 11), (3, 13)]
"""Python versions that all tests run on."""
DISK_GB = 2.0
MEMORY_GB = 6.0
_STYLES = {"ok": "green", "note": "yellow", "wrong": "bold red"}


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        state: `wrong` if a run would fail, `note` if a run can work around the finding, `ok` otherwise.
        what: Observation.
        advice: Advice to the user; empty if no action is needed.
    """

    state: Literal["ok", "note", "wrong"]
    what: str
    advice: str = ""


def examine(root: Path, out: TextIO, config: Config | None = None) -> int:
    """Check this machine and print one line for each finding, with the advice below the line.

    Args:
        root: Folder for the runs.
        out: Stream to print to.
        config: Configuration whose disk space is estimated. None: the default preset.

    Returns:
        0, or 1 if a finding would make a run fail.
    """
    wrong, terminal = False, Terminal(out)
    disk = functools.partial(_disk, root, config)
    for check in (_python, _glibc, _packages, _cores, _memory, disk, _temporary, _tensorflow, _keras, _gpu, _beam):
        for finding in _guarded(check):
            wrong |= finding.state == "wrong"
            terminal.line(Text(f"{finding.state:<6}", _STYLES[finding.state]), finding.what)
            if finding.advice:
                terminal.line("      -> ", finding.advice)
    terminal.write(["", "This machine has faults: see the advice above." if wrong else "This machine is ready."])
    return 1 if wrong else 0


def _guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # A broken package must not hide the other findings.
        check = check.func if isinstance(check, functools.partial) else check
        name = getattr(check, "__name__", "check").strip("_")
        yield Finding("wrong", f"{name}: {type(error).__name__}: {error}", "install again with ./with-env")


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    if not (3, 11) <= sys.version_info < (3, 14):
        yield Finding("wrong", f"Python {version}", "TFX 1.21 needs Python 3.11 to 3.13: set UV_PYTHON=3.11")
    elif sys.version_info[:2] not in TESTED:
        tested = " and ".join(f"{major}.{minor}" for major, minor in TESTED)
        yield Finding("note", f"Python {version}", f"the lock resolves here; the tests run on {tested}")
    else:
        yield Finding("ok", f"Python {version}")


def _glibc() -> Iterator[Finding]:
    name, version = platform.libc_ver()
    if name != "glibc":
        yield Finding("wrong", f"C library {name or 'unknown'}", "TensorFlow's wheels need glibc (not Alpine's musl)")
    elif tuple(map(int, version.split("."))) < (oldest := GLIBC.get(sys.version_info[:2], (0, 0))):
        newer = sys.version_info >= (3, 12)
        yield Finding(
            "wrong",
            f"glibc {version} with Python {platform.python_version()}",
            "ml-metadata for Python 3.12 and later needs glibc 2.39 (Ubuntu 24.04, Debian 13): use Python 3.11 here"
            if newer
            else f"the packages' wheels need glibc {oldest[0]}.{oldest[1]} (Debian 10, Ubuntu 20.04)",
        )
    else:
        yield Finding("ok", f"glibc {version}")


def _packages() -> Iterator[Finding]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Finding("wrong", f"{name} is not installed", "install the locked packages with ./with-env")
    yield Finding("ok", ", ".join(found))


def _cores() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0))
    yield Finding("ok" if cores > 1 else "note", f"{cores} CPU core{'s' if cores > 1 else ''}")


def _memory() -> Iterator[Finding]:
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page / 2**30
    free = os.sysconf("SC_AVPHYS_PAGES") * page / 2**30
    small = total < MEMORY_GB
    advice = f"the default run needs up to {MEMORY_GB:.0f} GiB" if small else ""
    yield Finding("wrong" if small else "ok", f"{total:.1f} GiB of memory, {free:.1f} GiB of it unused", advice)


def _disk(root: Path, config: Config | None) -> Iterator[Finding]:
    from pipeline.config.loading import load
    from pipeline.execution import space, spans

    place = root.resolve()
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        yield Finding("wrong", f"{place} cannot be written", "choose another folder with --root")
        return
    config = config or load()
    found = space.forecast(config, spans.rolling_range(config.data, spans.plan(config.data)))
    needed = f"a new run of {config.name} needs about {in_bytes(found.most)}" if found.most else ""
    free = shutil.disk_usage(place).free
    what = f"{free / 2**30:.0f} GiB free at {place}{f'; {needed}' if needed else ''}"
    if free < (found.least or DISK_GB * 2**30):
        advice = "free some space, or choose another --root"
        yield Finding("wrong", what, advice if needed else f"a run needs {DISK_GB:.0f} GiB: {advice}")
    elif space.is_close(found.most, free):
        yield Finding("note", what, "space may run out: free some, or choose another --root")
    else:
        yield Finding("ok", what)


def _temporary() -> Iterator[Finding]:
    if folder := full_temporary_folder():
        what = f"the folder for temporary files is full: {folder}; {free_space(folder)}"
        yield Finding("wrong", what, "free some space there, or set TMPDIR to another folder")


def _tensorflow() -> Iterator[Finding]:
    import tensorflow as tf

    value = float(tf.reduce_sum(tf.ones([2, 3])))
    yield Finding("ok" if value == 6 else "wrong", f"TensorFlow {tf.__version__} computes")


def _keras() -> Iterator[Finding]:
    import keras

    backend = keras.backend.backend()
    if int(keras.__version__.split(".")[0]) < 3:
        yield Finding("wrong", f"Keras {keras.__version__}", "BigVocab needs Keras 3: ./with-env installs it")
    elif backend != "tensorflow":
        yield Finding(
            "wrong", f"Keras {keras.__version__} on {backend}", "unset KERAS_BACKEND, or set it to tensorflow"
        )
    else:
        yield Finding("ok", f"Keras {keras.__version__} on TensorFlow")


def _gpu() -> Iterator[Finding]:
    import tensorflow as tf

    usable = tf.config.list_physical_devices("GPU")
    listed = _nvidia_smi()
    if usable:
        yield Finding("ok", f"{len(usable)} GPU{'s' if len(usable) > 1 else ''} usable: {', '.join(listed)}")
    elif listed:
        yield Finding(
            "wrong",
            f"{len(listed)} GPU(s) found ({', '.join(listed)}), but TensorFlow cannot use them",
            "install the GPU libraries: BIGVOCAB_EXTRAS=gpu ./with-env bigvocab doctor",
        )
    else:
        yield Finding("ok", "no GPU: trains on the CPU")


def _nvidia_smi() -> list[str]:
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return result.stdout.split("\n")[:-1] if result.returncode == 0 else []


def _beam() -> Iterator[Finding]:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.testing.util import assert_that, equal_to

    from pipeline.config.sections.beam import LocalBeam

    arguments = LocalBeam().arguments()
    with beam.Pipeline(options=PipelineOptions(arguments)) as pipeline:
        assert_that(pipeline | beam.Create([1, 2, 3]) | beam.CombineGlobally(sum), equal_to([6]))
    yield Finding("ok", f"Beam {beam.__version__} runs ({' '.join(arguments)})")
