"""The table of a campaign, as in docs/explanation/guarantees.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tests.faults.trial import Outcome

_MESSAGE = re.compile(r"bigvocab: |BigVocab stopped|\w+ failed\. |All nodes are complete|No report was written")
_ROOT = re.compile(r"/\S*?/runs/words")
_OF_ONE_FAULT = re.compile(r"\w+(?= failed\. )|ROOT[^\s;,.']*|[\d.,]+ [kMG]?B\b|\d+")
_FAULTS = {
    "kill": "SIGKILL to the process group before a change",
    "torn": "SIGKILL in the middle of a write",
    "power": "SIGKILL, and all files that were not synced cut at a random byte",
    "ENOSPC": "disk full from a change on",
    "EIO": "one change fails with an input/output error",
}


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the table: a row for each kind of fault, and one for their sum."""
    reached = [outcome for outcome in outcomes if outcome.reached]
    lines = [
        "| fault | injected | run failed or was killed | run went on | something lost |",
        "|---|---|---|---|---|",
        *(
            _line(text, [outcome for outcome in reached if outcome.fault.kind == kind])
            for kind, text in _FAULTS.items()
        ),
        _line("all", reached),
    ]
    parts = Counter(outcome.fault.segment for outcome in reached)
    named = ", ".join(f"{name} {count}" for name, count in sorted(parts.items()))
    changes = len({(outcome.fault.segment, outcome.fault.change.name) for outcome in reached})
    lines += ["", f"By part of the run: {named}. {changes} different changes."]
    if missed := len(outcomes) - len(reached):
        lines.append(f"{missed} faults were not injected, because their change did not happen.")
    return "\n".join(lines)


def _line(text: str, outcomes: Sequence[Outcome]) -> str:
    ended = sum(outcome.code != 0 for outcome in outcomes)
    lost = sum(bool(outcome.faults) for outcome in outcomes)
    return f"| {text} | {len(outcomes)} | {ended} | {len(outcomes) - ended} | {lost} |"


def seen(outcomes: Sequence[Outcome], count: int = 10) -> str:
    """Return the most frequent messages of runs that ended with an error, the most frequent first.

    Args:
        outcomes: Outcomes of the campaign.
        count: Number of messages.
    """
    groups: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.reached and outcome.code == 1:
            message = "\n".join(line for line in outcome.said.splitlines() if _MESSAGE.match(line))
            message = _ROOT.sub("ROOT", message)
            # Messages that differ only in node, path and figures are alike.
            groups.setdefault(_OF_ONE_FAULT.sub("#", message), []).append(message)
    often = sorted(groups.values(), key=len, reverse=True)[:count]
    return "\n\n".join(f"{len(messages)} x\n{messages[0]}" for messages in often)
