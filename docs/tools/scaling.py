"""Tables of the cost model on the page about scaling, computed when the site is built."""

from __future__ import annotations

_CONFIGURATION = """
name: scaling
data:
  shape: labelled
  source: {kind: csv, path: /rows.csv}
  inputs: [items]
  label: bought
  tokenizer: none
  separator: " "
  features: {hour: {kind: number}, country: {kind: category}}
"""
MACHINES = (("a laptop", 8, 16), ("a server", 32, 128), ("a large server", 96, 768))
"""Name, cores and memory in GiB of each machine."""
CASES = (
    ("10 million rows, 25,000 classes", 10_000_000, 10_000, 25_000),
    ("1 billion rows, 25,000 classes", 1_000_000_000, 10_000, 25_000),
    ("100 million rows, 1 million classes", 100_000_000, 1_000_000, 1_000_000),
    ("1 billion rows, 10 million classes", 1_000_000_000, 10_000_000, 10_000_000),
)
"""Name, rows, input tokens and classes of each case."""
MARK = "<!-- the tables of the cost model -->"


def fill(markdown: str) -> str:
    """Return the page with the tables in place of the mark.

    Raises:
        ValueError: The page has no mark.
    """
    if MARK not in markdown:
        raise ValueError(f"the page about scaling has no line {MARK}")
    return markdown.replace(MARK, tables())


def tables() -> str:
    """Return the Markdown of both tables: sizes of each case, and times of each case on each machine."""
    from benchmarks.cost import cost, duration
    from components.messages.formatting import in_bytes
    from pipeline.config.loading import loads

    sizes = ["| Data | Disk, at most | Rows and ids | Model | Memory |", "| --- | --: | --: | --: | --: |"]
    times = ["| Data | Machine | Ingest and Transform | One epoch | 10,000 rows evaluated | Fits |"]
    times.append("| --- | --- | --: | --: | --: | --- |")
    for name, rows, inputs, classes in CASES:
        config = loads(_CONFIGURATION, [f"vocabulary.inputs={inputs}", f"vocabulary.labels={classes}"])
        found = cost(config, rows, 10, 2)
        parts = [in_bytes(part) for part in (found.disk, found.examples, found.model, found.memory)]
        sizes.append(f"| {name} | {' | '.join(parts)} |")
        for machine, cores, memory in MACHINES:
            found = cost(config, rows, 10, cores)
            lasts = " | ".join(map(duration, (found.ingest, found.epoch, found.scores)))
            fits = "yes" if found.memory < 0.8 * memory * 2**30 else "not in its memory"
            times.append(f"| {name} | {machine}, {cores} cores, {memory} GiB | {lasts} | {fits} |")
    return "\n".join([*sizes, "", *times])
