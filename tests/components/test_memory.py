"""Tests of the memory of a machine or container, and of the errors that say that it is full."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.memory import lacks_memory, memory, peak, reset_peak

GIB = 1 << 30


def container(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        file = root / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_the_limit_of_a_container_counts(tmp_path):
    found = memory(
        container(
            tmp_path,
            proc__meminfo=f"MemTotal: 9 kB\nMemAvailable:    {GIB >> 10} kB\n",
            sys__fs__cgroup__memory_dot_max=f"{GIB // 2}\n",
            sys__fs__cgroup__memory_dot_current=f"{GIB // 8}\n",
        )
    )
    assert (found.total, found.free) == (GIB // 2, GIB // 2 - GIB // 8)
    assert str(found) == "402.7 MB free of 536.9 MB"


def test_a_container_without_a_limit_has_the_memory_of_the_machine(tmp_path):
    found = memory(container(tmp_path, sys__fs__cgroup__memory_dot_max="max\n"))
    assert found.total == memory(tmp_path / "nothing").total
    assert 0 < found.free <= found.total


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[9,9]"), True),
        (tf.errors.ResourceExhaustedError(None, None, "/out/a; No space left on device"), False),
        (RuntimeError("Worker subprocess exited with return code -9"), True),
        (RuntimeError("Worker subprocess exited with return code 1"), False),
        (raised(ValueError("a step failed"), MemoryError()), True),
        (ValueError("the word 'memory'"), False),
    ],
    ids=repr,
)
def test_errors_of_libraries(error, lacks):
    assert lacks_memory(error) == lacks


@pytest.mark.slow
def test_a_real_refusal_to_allocate():
    with pytest.raises(MemoryError) as refused:
        bytearray(1 << 60)
    assert lacks_memory(refused.value)
    with pytest.raises(tf.errors.ResourceExhaustedError) as refused:
        tf.zeros([1 << 20, 1 << 20, 1 << 12], tf.int8)
    assert lacks_memory(refused.value)


def test_the_peak_is_that_since_its_reset() -> None:
    if not reset_peak():
        pytest.skip("this system cannot reset the peak of a process")
    before = peak()
    assert before is not None
    held = np.ones(100 << 20, np.uint8)
    del held
    after = peak()
    assert after is not None
    assert after - before > 50 << 20
    assert reset_peak()
    assert (peak() or after) < after
