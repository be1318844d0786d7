from __future__ import annotations

import os

import pytest

_BYTES_PER_WORKER = 4 << 30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take long come first, so that at the end no process is left alone with one of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: a process a core, as far as memory goes, and not more than four."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), memory // _BYTES_PER_WORKER, 4))
