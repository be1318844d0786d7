"""Parser for the subset of Dockerfile syntax that kubeflow/Dockerfile uses: no heredocs, no variables but ARGs."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    name: str
    flags: dict[str, list[str]]
    """As in `--from=uv`."""
    text: str
    """What stands behind name and flags, on one line."""

    @property
    def words(self) -> list[str]:
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


@dataclass
class Stage:
    name: str
    base: str
    """An image or an earlier stage."""
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.name == name]

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that ENV sets in a stage."""
        words = [word for instruction in self.of("ENV") for word in instruction.words]
        return dict(word.split("=", 1) for word in words)


@dataclass(frozen=True)
class Dockerfile:
    stages: dict[str, Stage]
    arguments: dict[str, str]
    """Defaults of the ARGs before the first FROM. The stages have them in place of the variables."""

    @classmethod
    def read(cls, path: Path) -> Dockerfile:
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        arguments: dict[str, str] = {}
        stages: dict[str, Stage] = {}
        stage = Stage("", "")  # Instructions before the first FROM belong to no stage.
        for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
            if not line.strip():
                continue
            for name, value in arguments.items():
                line = line.replace(f"${{{name}}}", value)
            instruction = _instruction(line)
            if instruction.name == "ARG" and not stages:
                name, _, value = instruction.text.partition("=")
                arguments[name] = value
            elif instruction.name == "FROM":
                base, _as, name = instruction.words
                assert _as == "AS", f"a stage without a name: {line}"
                stage = stages[name] = Stage(name, base)
            else:
                stage.instructions.append(instruction)
        return cls(stages, arguments)

    def line_of(self, stage: str) -> list[Stage]:
        """Return a stage and its base stages, the oldest first."""
        found = self.stages[stage]
        return [*(self.line_of(found.base) if found.base in self.stages else []), found]

    def environment(self, stage: str) -> dict[str, str]:
        return {name: value for one in self.line_of(stage) for name, value in one.environment.items()}

    def last(self, stage: str, name: str) -> Instruction | None:
        """Return the effective instruction of a kind such as USER, WORKDIR or ENTRYPOINT."""
        found = [instruction for one in self.line_of(stage) for instruction in one.of(name)]
        return found[-1] if found else None


def _instruction(line: str) -> Instruction:
    name, _, rest = line.strip().partition(" ")
    flags: dict[str, list[str]] = {}
    while match := re.match(r"\s*--([a-z-]+)=(\S+)\s*", rest):
        flags.setdefault(match[1], []).append(match[2])
        rest = rest[match.end() :]
    return Instruction(name.upper(), flags, " ".join(rest.split()))
