"""A YAML document: its values and the line of each key. Its size, its depth and its aliases are bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline.config.keys import Key

MAX_BYTES = 1_000_000
"""Largest configuration file. Thousands of columns need less."""
_MAX_NODES = 50_000
"""Maximum number of keys and values, with those of an alias counted each time. Ten aliases of ten aliases of ... would
otherwise fill the memory from a file of one kilobyte."""
_MAX_DEPTH = 40
_SHOWN = 60
"""Characters of a value in a message, at most."""


class NotYaml(Exception):
    """Text that is not a YAML document, or exceeds the bounds.

    Args:
        reason: Fault, in one line.
        line: Line of the fault, from 1; None if the fault has no place.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True)
class Document:
    """Contents of a YAML document.

    Attributes:
        tree: Values. No two places share an object, so that a change of one leaves the others.
        lines: Line of each key and each element of a list.
        doubles: Keys that stand more than once, each with the line of the repetition and the first line.
    """

    tree: Any
    lines: dict[Key, int] = field(default_factory=dict)
    doubles: list[tuple[Key, int, int]] = field(default_factory=list)


def decoded(content: bytes) -> str:
    """Return the text of a file.

    Raises:
        NotYaml: The file is too large, or is not UTF-8.
    """
    if len(content) > MAX_BYTES:
        raise NotYaml(f"larger than {MAX_BYTES:,} bytes, so it is not a configuration")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotYaml(f"not UTF-8: byte 0x{content[error.start]:02X}; save the file as UTF-8", line) from error


def parse(text: str) -> Document:
    """Parse a YAML document. Its tags create only plain values: no tag runs code.

    Raises:
        NotYaml: The text is not YAML, or exceeds the bounds.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return Document(None)
        document = Document({})
        _note_lines(root, (), document)  # Before the values, because construction expands merge keys in place.
        return Document(_unshared(loader.construct_document(root)), document.lines, document.doubles)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYaml(f"not YAML: the character {chr(int(error.character))!a} is not allowed", line) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise NotYaml(f"not YAML: {problem}", mark.line + 1 if mark else None) from error


class _Loader(yaml.SafeLoader):
    """Loader that bounds the document, and that reports the place of a value that its type does not have."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._composed = 0
        self._extents: dict[yaml.Node, tuple[int, int]] = {}
        """Number of nodes, and depth, of each complete node with all its aliases expanded."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node.

        Raises:
            yaml.YAMLError: The document exceeds the bounds.
        """
        mark, is_alias = self.peek_event().start_mark, self.check_event(yaml.AliasEvent)
        self._depth += 1
        self._composed += 1
        self._bound(self._composed, self._depth, mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if is_alias and node not in self._extents:
            raise yaml.composer.ComposerError(problem="an alias inside its own anchor", problem_mark=mark)
        if not is_alias:
            below = [self._extents[child] for child in _children(node)]
            self._extents[node] = 1 + sum(size for size, _ in below), 1 + max((deep for _, deep in below), default=0)
        size, depth = self._extents[node]
        self._bound(size, self._depth + depth, mark)
        return node

    @staticmethod
    def _bound(nodes: int, depth: int, mark: yaml.Mark) -> None:
        if nodes > _MAX_NODES:
            problem = f"more than {_MAX_NODES:,} keys and values, with those of aliases"
        elif depth > _MAX_DEPTH:
            problem = f"more than {_MAX_DEPTH} levels of keys and lists"
        else:
            return
        raise yaml.composer.ComposerError(problem=problem, problem_mark=mark)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node.

        Raises:
            yaml.YAMLError: The type of the node does not have such a value, such as the date 2026-13-01.
        """
        try:
            return super().construct_object(node, deep)
        # PyYAML reads `!!int ''`, `!!timestamp x` and a day before year 1 without checks of its own.
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
            shown = node.value if isinstance(node, yaml.ScalarNode) else node.id
            shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
            reason = f": {error}" if isinstance(error, ValueError) else ""
            raise yaml.constructor.ConstructorError(
                problem=f"{shown!r} is not a valid {node.tag.rpartition(':')[2]}{reason}; put text in quotes",
                problem_mark=node.start_mark,
            ) from error


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair


def _note_lines(node: yaml.Node, above: Key, document: Document) -> None:
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            document.lines[(*above, index)] = child.start_mark.line + 1
            _note_lines(child, (*above, index), document)
    elif isinstance(node, yaml.MappingNode):
        for key_node, child in node.value:
            key = (*above, str(key_node.value))
            line = key_node.start_mark.line + 1
            if key in document.lines:  # PyYAML would silently take the last value.
                document.doubles.append((key, line, document.lines[key]))
            document.lines[key] = line
            _note_lines(child, key, document)


def _unshared(value: Any) -> Any:
    """Return a copy in which an alias has an object of its own."""
    if isinstance(value, dict):
        return {key: _unshared(child) for key, child in value.items()}
    return [_unshared(child) for child in value] if isinstance(value, list) else value
