"""Run the pipeline many times over rolling spans in one root, and check what must stay bounded.

    python -m tests.soak [--runs 50] [--folder DIR]

Before each run a new span arrives, of about the same number of words. `artifacts.keep` and `serving.keep` are 3. After
each run the newest version answers a row, the versions of the last three pushes are there, and every artifact that the
metadata store calls live has its folder. At the end, the bytes of the root (without the metadata store) and the CPU
time of the metadata queries are compared with those after run 10. A soak that was interrupted continues in the same
folder. A run takes about 30 seconds of CPU time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tests.forks import ForkServer
from tests.pipeline import commands
from tests.pipeline.data_sets import LIGHT, small, speeches
from tests.soak.measures import measure

KEEP = 3
WORDS = 4_000
PARAGRAPHS = 60
"""Least number of rows in a span: with fewer, a split may be empty."""
ACCEPTED = "beat: [], max_nll_increase: 10"
"""Thresholds that every model passes: after half an epoch on few rows, some spans are worse than the last."""
EARLY = 10
"""Run with which the last one is compared: the rolling range and the kept runs are complete by then."""
BYTES, TIME = 1.1, 1.2
"""Allowed ratios of the last run to the early one."""


class Soak:
    """Runs in one folder.

    Args:
        folder: Folder of the spans, the configuration and the root.
        forks: Server that forks the commands.
    """

    def __init__(self, folder: Path, forks: ForkServer) -> None:
        self._folder, self._forks = folder, forks
        self._root = folder / "runs" / "spans"
        self._table = folder / "soak.jsonl"
        self._pushed: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._configuration = folder / "spans.yaml"
        model = json.dumps({"context": 4, **LIGHT})
        self._configuration.write_text(
            f"""\
name: spans
data:
  shape: sequence
  source: {{kind: text, path: "texts/{{SPAN:3}}/*.txt"}}
  num_spans: 2
  inputs: [text]
  splits: {{train: 80, eval: 10, test: 10}}
artifacts: {{keep: {KEEP}}}
serving: {{keep: {KEEP}}}
{small(model=model).replace("epochs: 3", "epochs: 0.5").replace("beat: [popular]", ACCEPTED)}
"""
        )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Measures of the complete runs."""
        return [json.loads(line) for line in self._table.read_text().splitlines()] if self._table.exists() else []

    def run(self, number: int) -> dict[str, Any]:
        """Add a span, run, check and measure."""
        span = self._folder / "texts" / f"{number:03}" / "speech.txt"
        span.parent.mkdir(parents=True, exist_ok=True)
        span.write_text(_text(number), encoding="utf-8")
        if not self._configuration.with_suffix(".schema.pbtxt").exists():
            self._command("schema", "--root", "elsewhere")
        started = time.monotonic()
        self._command("run")
        wall = time.monotonic() - started
        if number == EARLY:
            shutil.copy(self._root / "metadata.sqlite", self._root / "early.sqlite")
        summary = json.loads((self._root / "report" / "summary.json").read_text())
        self._check(summary)
        stores = ["metadata.sqlite", *(["early.sqlite"] if number > EARLY and (number % 10 == 0) else [])]
        found = self._measured(stores)
        assert not found["lost"], found["lost"]
        cpu = sum(node["cpu_seconds"] for node in summary["nodes"] if node["name"] != "Trainer")
        row = {"run": number, "wall": round(wall, 1), "cpu": round(cpu, 1), **found}
        with self._table.open("a") as file:
            file.write(json.dumps(row) + "\n")
        return row

    def compare(self) -> list[str]:
        """Return the faults of the last run, compared with the early one."""
        rows = {row["run"]: row for row in self.rows}
        if len(rows) <= EARLY:
            return []
        early, last = rows[EARLY], rows[max(rows)]
        faults = []
        if last["bytes"] > BYTES * early["bytes"]:
            faults.append(f"{last['bytes']:,} bytes after run {last['run']}, {early['bytes']:,} after run {EARLY}")
        now, before = self._measured(["metadata.sqlite", "early.sqlite"])["queries"]
        for kind in ("inputs", "records", "plan"):
            print(f"{kind}: {now[kind]} ms of CPU time now, {before[kind]} ms on the store after run {EARLY}")
            if now[kind] > TIME * before[kind]:
                faults.append(f"the queries '{kind}' take {now[kind]} ms, and {before[kind]} ms after run {EARLY}")
        print(f"TFX's own lookups of inputs: {now['tfx']} ms now, {before['tfx']} ms after run {EARLY}")
        return faults

    def _check(self, summary: dict[str, Any]) -> None:
        assert summary["blessed"], "the model is not blessed"
        if summary["pushed_to"] not in self._pushed:
            self._pushed.append(summary["pushed_to"])
        details = {node["name"]: node["detail"] for node in summary["nodes"]}
        if len(self.rows) > 0:
            assert details["Resolver"].startswith("last blessed model: "), details["Resolver"]
        for version in self._pushed[-KEEP:]:  # A server may hold any of these.
            assert (Path(version) / "saved_model.pb").is_file(), version
        (self._folder / "ask.jsonl").write_text('{"text": "the people of the united"}\n')
        answered = self._command("predict", "--input", "ask.jsonl", configuration=False)
        assert len(json.loads(answered.splitlines()[-1])) == 10, answered

    def _measured(self, stores: list[str]) -> dict[str, Any]:
        output = self._folder / "measured.json"
        arguments = (self._configuration.name, str(self._root), stores, str(output))
        log = self._folder / "measures.log"
        code = self._forks.start(measure, *arguments, out=log, err=log, folder=self._folder).result()
        assert code == 0, log.read_text()
        return json.loads(output.read_text())

    def _command(self, command: str, *options: str, configuration: bool = True) -> str:
        out, err = self._folder / "out.txt", self._folder / "err.txt"
        out.write_text("")
        err.write_text("")
        names = [self._configuration.name] if configuration else []
        code = commands.run(self._forks, [command, *names, *options], out, err, self._folder)
        assert code == 0, out.read_text() + err.read_text()
        return out.read_text()


def _text(number: int) -> str:
    """Return the paragraphs of a speech, repeated or cut to the same number of words in each span."""
    long = [paragraphs for _, paragraphs in speeches(237) if len(paragraphs) >= PARAGRAPHS]
    kept, words = [], 0
    for paragraph in itertools.cycle(long[-number]):
        kept.append(paragraph)
        words += len(paragraph.split())
        if words >= WORDS and len(kept) >= PARAGRAPHS:
            return "\n\n".join(kept)
    raise AssertionError("a speech has paragraphs")


def main() -> int:
    """Run the soak and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/bigvocab-soak"))
    arguments = parser.parse_args()
    with ForkServer() as forks:
        soak = Soak(arguments.folder.absolute(), forks)
        print(
            "run  wall s  CPU s without Trainer  MB  files  metadata MB  inputs ms  records ms  plan ms  TFX inputs ms"
        )
        for number in range(len(soak.rows) + 1, arguments.runs + 1):
            row = soak.run(number)
            queries = row["queries"][0]
            print(
                f"{row['run']:3} {row['wall']:7.1f} {row['cpu']:7.1f} {row['bytes'] / 1e6:7.2f} {row['files']:6} "
                f"{row['metadata'] / 1e6:6.2f} {queries['inputs']:7.1f} {queries['records']:7.1f} "
                f"{queries['plan']:7.1f} {queries['tfx']:8.1f}",
                flush=True,
            )
        faults = soak.compare()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
