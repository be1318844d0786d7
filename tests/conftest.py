from __future__ import annotations

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.cli.app import NEW_OBJECTS
from tests.browser import launched
from tests.forks import ForkServer, execute, refuse_fork_with_threads
from tests.once import Once

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_BYTES_PER_WORKER = 4 << 30

refuse_fork_with_threads()
gc.set_threshold(NEW_OBJECTS)


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put the temporary files of libraries, and of processes that are killed, below pytest's folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("tmp")
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield


@pytest.fixture(autouse=True)
def _no_global_seed() -> Iterator[None]:
    """Reset TensorFlow's global seed after a test that sets it: the order of the examples would depend on it."""
    yield
    context = sys.modules.get("tensorflow.python.eager.context")
    if context is not None and context.global_seed() is not None:
        context.set_global_seed(None)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Once]:
    """Make folders once for all processes of xdist."""
    own = tmp_path_factory.getbasetemp()
    found = Once(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)
    yield found
    found.check()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium. Tests that need it are skipped where Chromium or Playwright is missing."""
    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """Yield the fork server that all tests of this process share."""
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="session")
def run_script(forks: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Return a function that runs `python -c SCRIPT ARGUMENTS` in a process that has loaded TensorFlow."""

    def run(script: str, *arguments: str) -> None:
        log = tmp_path_factory.mktemp("script") / "log"
        ended = forks.start(execute, script, *arguments, out=log, err=log, modules=["tensorflow", "keras"])
        assert ended.result() == 0, log.read_text()[-4_000:]

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow files first, and whole runs before those, so that the last minutes do not leave workers idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    runs = Path(__file__).parent / "pipeline"
    items.sort(key=lambda item: (item.path not in slow, not item.path.is_relative_to(runs)))


def pytest_collection_finish() -> None:
    """Keep what is imported now out of the searches for unused cycles, which take 5% of the CPU time."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers for `-n auto`: one more than cores, limited by memory and by four.

    Tests of whole runs wait for processes and files an eighth of their time. One more worker uses that time.
    """
    memory = min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _container_bytes())
    return max(1, min(len(os.sched_getaffinity(0)) + 1, memory // _BYTES_PER_WORKER, 4))


def _container_bytes() -> int:
    """Return the memory limit of the control group, of version 1 or 2."""
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            return int(Path(file).read_text())
    return sys.maxsize
