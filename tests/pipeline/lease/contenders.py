"""Processes of the tests of leases. They import neither TensorFlow nor TFX.

contend             take the lease of each root that standard input names, and hold it until the next line
write ROOT CLOCK    hold the lease by the clock in a file, write a file, and after a line of standard input write
                    it again, until the lease is lost
die ROOT            take the lease, and end without a release
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from components.files import fenced, write_whole
from pipeline.lease.acquisition import RootInUse, acquire
from pipeline.lease.holder import Holder
from pipeline.lease.lease import Lease, LeaseLost
from pipeline.lease.observation import WHOLE, Timing


def contend() -> None:
    held: Lease | None = None
    for line in sys.stdin:
        if held:
            held.release()
        held = None
        try:
            held = acquire(Path(line.strip()), WHOLE, Holder.this("test", ""), timing=Timing(0.0, 0.0, 0.0))
            print(f"won {held.claim.number}", flush=True)
        except RootInUse as error:
            print(error, flush=True)


def write(root: str, clock: str) -> None:
    lease = acquire(Path(root), WHOLE, Holder.this("test", "one"), timing=Timing(clock=functools.partial(read, clock)))
    with fenced(lease.check):
        write_whole(Path(root, "file"), "0")
        print("written", flush=True)
        sys.stdin.readline()
        while True:
            write_whole(Path(root, "file"), "1")


def die(root: str) -> None:
    acquire(Path(root), WHOLE, Holder.this("test", "one"))
    os._exit(0)


def read(clock: str) -> float:
    return float(Path(clock).read_text() or 0)


if __name__ == "__main__":
    do: Callable[..., None] = {"contend": contend, "write": write, "die": die}[sys.argv[1]]
    try:
        do(*sys.argv[2:])
    except LeaseLost as lost:
        sys.exit(str(lost))
