"""Run the README's first command, and tests, on a minimal Debian 12 and a minimal Debian 13.

Neither machine has a compiler, git, or a cache of BigVocab; each clones the checked-out commit.
A line is printed for each machine. Exit code 0: it works on all, or no machine can be built here, and the reason was
printed. Exit code 1: it does not work on one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fresh_machine import host
from tests.fresh_machine.machine import CLONE, PACKAGES, Failed, Machine

REPOSITORY = Path(__file__).parents[2]
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
FIRST_COMMAND = ("./with-env", "bigvocab", "run", "--quick")
TESTS = {"none": None, "quick": ("./with-env", "pytest", "-m", "not slow"), "all": ("./with-env", "pytest")}
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python3 -m tests.fresh_machine", description=__doc__)
    parser.add_argument("--suite", choices=SUITES, action="append", help="build only this machine")
    parser.add_argument("--tests", choices=TESTS, default="quick", help="tests after the first command; default: quick")
    parser.add_argument("--together", action="store_true", help="build both machines at the same time")
    parser.add_argument("--include", action="append", default=[], metavar="PACKAGE", help="a further Debian package")
    parser.add_argument("--mirror", help="Debian mirror; default: the mirror that apt uses here")
    parser.add_argument("--folder", type=Path, help="folder of the machines; default: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="keep the machines in the folder")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    said = options(arguments)
    suites = said.suite or list(SUITES)
    mirror = said.mirror or host.mirror()
    if reason := host.unfit(mirror, suites):
        print(f"fresh-machine: skipped: {reason}", flush=True)
        return 0
    if subprocess.run(["git", "status", "--porcelain"], cwd=REPOSITORY, stdout=subprocess.PIPE, check=False).stdout:
        print("fresh-machine: uncommitted changes are left out", flush=True)
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    if said.folder:
        said.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bigvocab-fresh-", dir=said.folder))
    environment = host.environment(os.environ)
    (folder / "logs").mkdir()
    machines = [Machine(folder / suite, suite, folder / "logs" / suite, environment) for suite in suites]
    executor = ThreadPoolExecutor(len(machines) if said.together else 1)
    try:
        tries = [executor.submit(_try, machine, mirror, said) for machine in machines]
        worked = [one.result() for one in tries]
    except KeyboardInterrupt:
        print("fresh-machine: interrupted", flush=True)
        return 130
    finally:
        for number in _SIGNALS:  # A second interrupt must not prevent the removal of the machines.
            signal.signal(number, signal.SIG_IGN)
        for machine in machines:
            machine.stop()
        executor.shutdown(cancel_futures=True)
        if not said.keep:
            shutil.rmtree(folder / "logs")
            with contextlib.suppress(OSError):  # A machine that could not be removed; this was reported.
                folder.rmdir()
    if said.keep:
        print(f"fresh-machine: machines and logs are in {folder}", flush=True)
    return 0 if all(worked) else 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _try(machine: Machine, mirror: str, said: argparse.Namespace) -> bool:
    name = f"{SUITES[machine.suite]} ({machine.suite})"
    print(f"{name}: building ...", flush=True)
    try:
        try:
            line = _measure(machine, mirror, said)
        finally:
            if not said.keep:
                machine.remove()
    except Failed as failure:
        print(f"{name}: FAILED: {failure}", flush=True)
        return False
    print(f"{name}: {line}", flush=True)
    return True


def _measure(machine: Machine, mirror: str, said: argparse.Namespace) -> str:
    """Build a machine, run the commands, and return the summary line."""
    started = time.monotonic()
    machine.build(mirror, [*PACKAGES, *said.include])
    host.copy_settings(machine.root, os.environ)
    machine.clone(REPOSITORY)
    built = time.monotonic()
    versions = machine("python3", "-c", "import platform as p; print(p.python_version(), p.libc_ver()[1])")
    machine(*FIRST_COMMAND)
    ran = time.monotonic()
    (summary,) = (machine.root / CLONE).glob("runs/*/report/summary.json")
    tested = ""
    if command := TESTS[said.tests]:
        extras = "kubeflow" if said.tests == "all" else ""
        tested = machine(*command, environment={"BIGVOCAB_EXTRAS": extras}).rstrip().splitlines()[-1]
    return line(versions, json.loads(summary.read_text()), built - started, ran - built, tested)


def line(versions: str, summary: dict, built: float, ran: float, tested: str) -> str:
    """Return the summary line.

    Args:
        versions: Versions of Python and of glibc.
        summary: `summary.json` of the run.
        built: Seconds to build the machine.
        ran: Seconds of the first command.
        tested: Last line of pytest, or an empty string.
    """
    python, glibc = versions.split()
    metrics = summary["metrics"]
    return (
        f"Python {python}, glibc {glibc}; built in {built:.0f} s; first command {ran:.0f} s, "
        f"of which the run {summary['seconds']:.0f} s: recall@10 {metrics['recall_at_10']:.3f}, "
        f"perplexity {metrics['perplexity']:.1f}; tests: {tested or 'not asked for'}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
