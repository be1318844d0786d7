from __future__ import annotations

import io

from pipeline.terminal.console import Console
from tests.components.messages.test_terminal import Screen


def test_a_file_gets_a_line_for_each_node() -> None:
    console = Console(stream := io.StringIO())
    for node in ("ExampleGen", "Transform", "Trainer"):
        console.started(node)
        if node == "Trainer":
            console.failed(node)
        else:
            console.finished(node, 21.14, node == "ExampleGen", "24,322 rows")
    assert stream.getvalue().splitlines() == [
        "  ExampleGen           cached   24,322 rows",
        "  Transform            21.1 s   24,322 rows",
        "  Trainer              failed",
    ]


def test_a_terminal_shows_the_running_node() -> None:
    console = Console(stream := Screen())
    console.line("BigVocab sotu")
    console.started("Trainer")
    assert stream.shown == ["BigVocab sotu", "  Trainer            ..."]
    console.finished("Trainer", 336.3, False, "2.0 epochs, 13,548 examples/s on 1 CPU; validation perplexity 83.0")
    assert stream.shown == [
        "BigVocab sotu",
        "  Trainer             336.3 s   2.0 epochs, 13,548 examples/s on 1 CPU;",
        "                                validation perplexity 83.0",
        "",
    ]
