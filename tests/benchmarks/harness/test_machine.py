from __future__ import annotations

import subprocess
import sys

MEMORY = 64 << 20
# The watch runs in a process of its own, since a process that runs tests may have further children.
SCRIPT = f"""
import subprocess
import sys
from benchmarks.harness.machine import ChildrenWatch

held = "held = b'x' * {MEMORY}; print('ready', flush=True); input()"
with subprocess.Popen([sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
    with ChildrenWatch() as watch:
        child.stdout.readline()
        watch.look()
    child.stdin.write("\\n")
print(watch.peak)
"""


def test_memory_of_child_processes_is_seen() -> None:
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert MEMORY < int(found.stdout) < 4 * MEMORY
