"""One fault: a run that is struck, and the run after it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults import comparison, job
from tests.faults.recording import Fault, draw, events, lose, unsynced
from tests.faults.shim import KILLS, Change
from tests.forks import ForkServer
from tests.pipeline import commands
from tests.pipeline.data_sets import csv_configuration

_KILLED = -9
_RUN = ["run", "words.yaml"]


@dataclass(frozen=True)
class Outcome:
    """Result of a fault.

    Attributes:
        number: Number of the fault in the campaign.
        fault: The fault.
        reached: Whether the change happened, so that it could fail.
        code: Exit code of the run that was struck; minus the number of a signal.
        said: What that run wrote to the terminal.
        faults: What is wrong; empty if nothing was lost.
    """

    number: int
    fault: Fault
    reached: bool
    code: int
    said: str
    faults: list[str]

    def as_json(self) -> dict[str, object]:
        """Return the outcome as a JSON object."""
        return dataclasses.asdict(self)


class Slot:
    """Folder in which faults are injected, one after the other.

    The metadata store has absolute paths, so each slot records a run of its own. A later slot in the same folder uses
    that record again.

    Args:
        folder: Folder of its files. It is emptied if its record is of another version.
        forks: Server whose processes have loaded the library.
        version: Version of the code.
    """

    def __init__(self, folder: Path, forks: ForkServer, version: str) -> None:
        self._folder, self._forks = folder, forks
        self._work, self._records, self._snapshots = (folder / name for name in ("work", "records", "snapshots"))
        self._root, self._reference = self._work / "runs" / "words", folder / "reference"
        complete = folder / "complete"
        if not complete.exists() or complete.read_text() != version:
            self._record()
            complete.write_text(version)
        self.segments = {
            record.name: [event.change for event in events(record)]
            for record in sorted(self._records.iterdir())
            if not record.name.endswith(".state")
        }
        self._expected = self._answers(self._reference)

    def _record(self) -> None:
        """Record an undisturbed run."""
        for each in (self._work, self._records, self._snapshots, self._reference):
            shutil.rmtree(each, ignore_errors=True)
        for each in (self._work, self._records, self._snapshots):
            each.mkdir(parents=True)
        file = csv_configuration(self._work, rows=1_500)
        file.write_text(file.read_text().replace("epochs: 3", "epochs: 2, checkpoint_seconds: 0.5"))
        self._do("schema", job.undisturbed, ["schema", "words.yaml"])
        self._do("recorded", job.recorded, str(self._root), str(self._records), str(self._snapshots), _RUN)
        shutil.copytree(self._root, self._reference, symlinks=True)

    def strike(self, number: int, seed: int) -> Outcome:
        """Inject a fault, run again, and compare.

        Args:
            number: Number of the fault, which determines it together with the seed.
            seed: Seed of the campaign.
        """
        random = Random(f"{seed} {number}")
        fault = draw(self.segments, random)
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.copytree(self._snapshots / fault.segment, self._root, symlinks=True)
        record = self._folder / "struck"
        for file in (record, record.with_name("struck.state")):
            file.unlink(missing_ok=True)
        code, said = self._start(
            job.struck, str(self._root), str(record), fault.segment, fault.change.name, fault.change.nth, fault.kind,
            fault.part, _RUN,
        )  # fmt: skip
        reached = any(event.fault for event in events(record))
        found = []
        if reached and fault.kind == "power":
            lose(unsynced(record), random)
        if fault.kind in KILLS and reached and code != _KILLED:
            found.append(f"exit code {code} of a killed run")
        elif fault.kind not in KILLS and code not in (0, 1):
            found.append(f"exit code {code}")
        if "Traceback" in said:
            found.append("a traceback on the terminal")
        found += [f"after the fault: {fault}" for fault in comparison.partial_versions(self._root, self._reference)]
        again, said_again = self._start(job.undisturbed, _RUN)
        if again or "Traceback" in said_again:
            found.append(f"the next run ended with {again}: {said_again[-1500:]}")
        else:
            found += comparison.differences(self._root, self._reference)
            found += [
                f"other {key}" for key, value in self._answers(self._root).items() if value != self._expected[key]
            ]
        return Outcome(number, fault, reached, code, said, found)

    def keep(self, to: Path) -> None:
        """Copy the root as it is now."""
        shutil.copytree(self._root, to, symlinks=True)

    def _answers(self, root: Path) -> dict[str, list[object]]:
        """Return the weights and answers of the newest pushed model of a root; none if there is no model."""
        found, to = comparison.versions(root), self._folder / "answers.json"
        if not found:
            return {"weights": [], "answers": []}
        self._do("answers", job.answers, str(found[-1]), str(self._work / "rows.csv"), str(to))
        return json.loads(to.read_text())

    def _do(self, name: str, function, *arguments) -> None:  # type: ignore[no-untyped-def]
        code, said = self._start(function, *arguments)
        if code:
            raise subprocess.CalledProcessError(code, name, said)

    def _start(self, function, *arguments) -> tuple[int, str]:  # type: ignore[no-untyped-def]
        """Call a function in a child process; return its exit code and what it wrote."""
        out = self._folder / "terminal"
        out.unlink(missing_ok=True)
        ended = self._forks.start(
            function, *arguments, out=out, err=out, folder=self._work, environment={"TMPDIR": str(self._folder)},
            modules=commands.MODULES,
        )  # fmt: skip
        return ended.result(), out.read_text(errors="replace")


def of_json(read: dict) -> Outcome:  # type: ignore[type-arg]
    """Return an outcome from its JSON object."""
    fault = read["fault"]
    return Outcome(**{**read, "fault": Fault(**{**fault, "change": Change(**fault["change"])})})
