from __future__ import annotations

import subprocess
import sys

from benchmarks.machine import ChildrenWatch

MEMORY = 64 << 20
CHILD = f"held = b'x' * {MEMORY}; print('ready', flush=True); input()"


def test_memory_of_child_processes_is_seen() -> None:
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout
        with ChildrenWatch() as watch:
            child.stdout.readline()
            watch.look()
        child.stdin.write("\n")
    assert MEMORY < watch.peak < 4 * MEMORY
