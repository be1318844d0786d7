"""Inject faults into runs of a small pipeline, run again after each, and compare with an undisturbed run.

A line is printed for each fault that cost something, and a table at the end. Exit code 0: nothing was lost, or this
machine has no C compiler, and the reason was printed. Exit code 1: something was lost. The results are kept in the
folder: the same command again injects only the faults that are missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults import shim, table
from tests.faults.recording import sync_times
from tests.faults.shim import Arms
from tests.faults.trial import Outcome, Slot, of_json
from tests.forks import ForkServer

REPOSITORY = Path(__file__).parents[2]
_SOURCES = ("bigvocab", "components", "pipeline", "schemas", "tests/faults", "uv.lock")


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="number of faults; default: 500")
    parser.add_argument("--seed", type=int, default=0, help="seed of the faults; default: 0")
    parser.add_argument("--together", type=int, default=2, help="faults at the same time; default: 2")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "runs" / "faults", help="default: runs/faults")
    parser.add_argument("--only", metavar="N", type=int, help="inject only this fault, and print what the user sees")
    parser.add_argument(
        "--table", action="store_true", help="only print the results so far: the table, and what users see"
    )
    parser.add_argument("--syncs", action="store_true", help="print the time that syncs take in `bigvocab run --quick`")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    said = options(arguments)
    folder = said.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.jsonl"
    if said.table:
        outcomes = _read(results)
        print(table.markdown(outcomes), table.seen(outcomes), sep="\n\n")
        return 0
    if not shim.compiler():
        print("faults: skipped: no C compiler")
        return 0
    if said.syncs:
        return _syncs(folder)
    version = _version()
    done = {outcome.number: outcome for outcome in _read(results)} if said.only is None else {}
    waiting = [said.only] if said.only is not None else [n for n in range(said.count) if n not in done]
    lock = threading.Lock()

    def inject(name: str) -> None:
        slot = Slot(folder / name, forks, version)
        while True:
            with lock:
                number = waiting.pop(0) if waiting else None
            if number is None:
                return
            outcome = slot.strike(number, said.seed)
            with lock:
                done[number] = outcome
                if said.only is None:
                    with results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"seed": said.seed, "version": version, **outcome.as_json()}) + "\n")
                if outcome.faults or said.only is not None:
                    print(_described(outcome), *([outcome.said] if said.only is not None else []), sep="\n", flush=True)
            if outcome.faults and not (folder / f"kept-{number}").exists():
                slot.keep(folder / f"kept-{number}")

    environment = {"LD_PRELOAD": str(shim.build(folder)), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with ForkServer(environment) as forks, ThreadPoolExecutor(said.together) as pool:
        for ended in [pool.submit(inject, f"slot-{n}") for n in range(min(said.together, len(waiting)))]:
            ended.result()
    if said.only is None:
        print(table.markdown(list(done.values())))
    return int(any(outcome.faults for outcome in done.values()))


def _syncs(folder: Path) -> int:
    """Run the pipeline on the default data, and print how much of its time the syncs take."""
    root, record = folder / "syncs", folder / "syncs.record"
    shutil.rmtree(root, ignore_errors=True)
    record.unlink(missing_ok=True)
    settings = Arms(str(root), str(record)).environment()
    command = [sys.executable, "-m", "pipeline.cli", "run", "--quick", "--root", str(root)]
    started = time.monotonic()
    ended = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **settings, "LD_PRELOAD": str(shim.build(folder))}, check=False
    )
    whole = time.monotonic() - started
    for of_store, (count, seconds) in sync_times(record).items():
        what = "metadata store" if of_store else "artifacts, checkpoints, versions, reports"
        print(f"{what}: {count:,} syncs, {seconds:.2f} s of {whole:.1f} s ({seconds / whole:.2%})")
    return ended.returncode


def _read(results: Path) -> list[Outcome]:
    found = {}
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else ():
        outcome = of_json({key: value for key, value in json.loads(line).items() if key not in ("seed", "version")})
        found[outcome.number] = outcome  # A fault that was injected again counts once.
    return list(found.values())


def _version() -> str:
    """Return a hash of the code that the runs use."""
    command = ["git", "ls-files", "-s", *_SOURCES]
    listed = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True).stdout
    changed = subprocess.run(["git", "diff", "HEAD", *_SOURCES], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
    return hashlib.sha256(listed + changed.stdout).hexdigest()[:12]


def _described(outcome: Outcome) -> str:
    fault = outcome.fault
    struck = f"{outcome.number}: {fault.kind} in {fault.segment} at {fault.change.name} ({fault.change.nth})"
    return "\n".join([f"{struck}: exit code {outcome.code}", *(f"    {line}" for line in outcome.faults)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
