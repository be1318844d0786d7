"""Figures of the site, drawn as SVG from the tables of `benchmarks/README.md` by `python -m docs.tools.figures`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from docs.tools.repository import ROOT

FOLDER = ROOT / "docs" / "figures"
_STYLE = """<style>text{font:13px system-ui,sans-serif;fill:#222}.t{font-weight:600}.s{font-size:11px;fill:#555}
.a{stroke:#888;fill:none}.b{fill:#eef;stroke:#3f51b5}.m{fill:#3f51b5;stroke:none}.o{fill:#e65100;stroke:none}
.dashed{stroke-dasharray:5 4}
.l{stroke:#3f51b5;stroke-width:2;fill:none}.k{stroke:#e65100;stroke-width:2;fill:none}
</style><defs><marker id="e" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">
<path d="M0,0 7,3 0,6z" fill="#888"/></marker></defs>"""
NODES = {
    "rows": (10, 130, "your rows"), "ExampleGen": (160, 130, ""), "StatisticsGen": (310, 60, ""),
    "ImportSchemaGen": (310, 10, ""), "Defaults": (310, 200, ""), "ExampleValidator": (470, 60, ""),
    "Transform": (470, 130, ""), "Baselines": (630, 60, ""), "Trainer": (630, 130, ""),
    "Resolver": (630, 200, ""), "Evaluator": (780, 60, ""), "InfraValidator": (780, 130, ""),
    "Pusher": (930, 100, ""), "serving": (930, 10, "serving/VERSION"), "BulkInferrer": (930, 200, ""),
}  # fmt: skip
"""Place of each node in the drawing of the pipeline, and its text if it is no node."""
EDGES = (
    "rows ExampleGen", "ExampleGen StatisticsGen", "StatisticsGen ExampleValidator", "StatisticsGen Defaults",
    "ImportSchemaGen ExampleValidator", "ExampleValidator Transform", "Defaults Transform", "ExampleGen Transform",
    "Transform Trainer", "Transform Baselines", "Trainer Evaluator", "Baselines Evaluator", "Resolver Evaluator",
    "Trainer InfraValidator", "Evaluator Pusher", "InfraValidator Pusher", "Pusher serving", "Pusher BulkInferrer",
)  # fmt: skip
_WIDTH, _HEIGHT = 126, 34


def table(heading: str, text: str) -> list[list[str]]:
    """Return the cells of the first table in a Markdown text whose header contains the heading."""
    lines = text.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("|") and heading in line)
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def svg(width: int, height: int, parts: Sequence[str]) -> str:
    """Return a drawing on a light background, which reads well on a dark page too."""
    box = f'<rect width="{width}" height="{height}" rx="6" fill="#fdfdfd"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join([head, _STYLE, box, *parts, "</svg>\n"])


def pipeline() -> str:
    """Return the drawing of the nodes and of the artifacts between them."""
    parts = []
    for edge in EDGES:
        (x, y, _), (u, v, _) = (NODES[name] for name in edge.split())
        sideways = abs(u - x) >= _WIDTH
        a = (x + _WIDTH, y + _HEIGHT / 2) if sideways else (x + _WIDTH / 2, y + _HEIGHT if v > y else y)
        b = (u, v + _HEIGHT / 2) if sideways else (u + _WIDTH / 2, v if v > y else v + _HEIGHT)
        parts.append(f'<path class="a" marker-end="url(#e)" d="M{a[0]},{a[1]} L{b[0]},{b[1]}"/>')
    for name, (x, y, text) in NODES.items():
        radius = 16 if text else 4
        parts.append(f'<rect class="b" x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}"/>')
        parts.append(f'<text x="{x + _WIDTH / 2}" y="{y + 21}" text-anchor="middle">{text or name}</text>')
    return svg(1066, 250, parts)


def sampled_softmax() -> str:
    """Return the bias of the sampled loss, and the time of a step against the number of classes."""
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    biases = table("softmax alone", _after(text, "The sampled loss minus"))
    bias = [(math.log2(int(row[0].replace(",", ""))), -float(row[1].split()[0])) for row in biases]
    parts = ['<text class="t" x="60" y="24">Bias of the sampled loss, nats</text>']
    parts += _curve(bias, (60, 40, 300, 190), (8, 13, 0, 0.05), "l")
    parts += [_label(60 + (s - 8) / 5 * 300, 250, f"{2**s:,.0f}") for s, _ in bias]
    parts += [_tick(54, 230 - y / 0.05 * 190, f"{y:.2f}") for y in (0, 0.01, 0.02, 0.03, 0.04, 0.05)]
    parts.append(_label(210, 272, "negative samples S"))
    few = {row[0]: row[1] for row in table("variant", _after(text, "25,000 classes, B=1,024: 1,304"))}
    many = {row[0]: row[1] for row in table("variant", _after(text, "1,000,000 classes, B=1,024: 1,648"))}
    full, rowwise = float(few["full"]), (float(few["rowwise"]), float(many["rowwise"]))
    # The full softmax of a million classes does not fit in the bound of the benchmark: a line in proportion to 25,000.
    scale = (math.log10(2.5e4), 6, 1, 4.2)
    place = (470, 40, 300, 190)
    parts.append('<text class="t" x="470" y="24">CPU time of a step of 1,024 examples, ms (log)</text>')
    ends = [(math.log10(25_000), math.log10(full)), (6, math.log10(full * 40))]
    parts += _curve(ends, place, scale, "k dashed")[:3]
    parts += _curve([(ends[0][0], math.log10(rowwise[0])), (6, math.log10(rowwise[1]))], place, scale, "l")
    parts += [_tick(464, 230 - (e - 1) / 3.2 * 190, f"{10**e:,}") for e in (1, 2, 3, 4)]
    parts += [_label(470, 250, "25,000"), _label(470 + (5 - scale[0]) / (6 - scale[0]) * 300, 250, "100,000")]
    parts += [_label(770, 250, "1,000,000"), _label(620, 272, "classes")]
    parts.append(f'<text x="560" y="165">full: {full:g} ms, then in proportion (dashed)</text>')
    parts.append(f'<text x="500" y="200">sampled: {rowwise[0]:g} and {rowwise[1]:g} ms</text>')
    return svg(830, 285, parts)


def growth() -> str:
    """Return the CPU time per row of each stage at one and ten million rows."""
    benchmarks = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    text = _after(benchmarks, "### Labeled rows and events as tables")
    nodes = ("ExampleGen", "StatisticsGen", "Transform")
    rows = [row for row in table("CPU µs an example", text) if row[0] == "rows" and row[2] in nodes]
    parts = ['<text class="t" x="20" y="24">CPU microseconds a row</text>']
    for number, (_, examples, node, _, _, _, micros, _) in enumerate(sorted(rows, key=lambda row: row[2])):
        y, length = 40 + number * 26 + number // 2 * 10, float(micros) * 22
        kind = "m" if examples == "1,000,000" else "o"
        parts.append(f'<rect class="{kind}" x="250" y="{y}" width="{length:.0f}" height="18"/>')
        parts.append(f'<text x="240" y="{y + 14}" text-anchor="end">{node}, {examples} rows</text>')
        parts.append(f'<text x="{256 + length:.0f}" y="{y + 14}">{micros}</text>')
    return svg(760, 230, parts)


def shared_matrix() -> str:
    """Return the drawing of the embeddings that go through one matrix."""
    words = ["the", "state", "of", "the", "union"]
    parts = ['<text class="t" x="20" y="24">Every embedding goes through the same W</text>']
    for number, word in enumerate(words):
        y = 44 + number * 44
        parts.append(f'<text x="70" y="{y + 20}" text-anchor="end">{word}</text>')
        parts.append(f'<rect class="b" x="84" y="{y}" width="90" height="30" rx="4"/>')
        parts.append(f'<text x="129" y="{y + 20}" text-anchor="middle">E row, 50</text>')
        parts.append(f'<path class="a" marker-end="url(#e)" d="M174,{y + 15} L262,149"/>')
        parts.append(f'<path class="a" marker-end="url(#e)" d="M352,149 L440,{y + 15}"/>')
        parts.append(f'<rect class="b" x="442" y="{y}" width="110" height="30" rx="4"/>')
        parts.append(f'<text x="497" y="{y + 20}" text-anchor="middle">projection, 128</text>')
        parts.append(f'<path class="a" marker-end="url(#e)" d="M552,{y + 15} L618,149"/>')
    parts.append('<rect class="m" x="264" y="110" width="88" height="78" rx="4"/>')
    parts.append('<text x="308" y="145" text-anchor="middle" style="fill:#fff;font-weight:600">W</text>')
    parts.append('<text x="308" y="165" text-anchor="middle" style="fill:#fff">50 x 128</text>')
    parts.append('<rect class="b" x="620" y="125" width="130" height="48" rx="4"/>')
    parts.append('<text x="685" y="145" text-anchor="middle">joined, then one</text>')
    parts.append('<text x="685" y="162" text-anchor="middle">hidden layer</text>')
    return svg(770, 280, parts)


def _after(text: str, words: str) -> str:
    return text[text.index(words) :]


def _curve(
    points: Sequence[tuple[float, float]],
    place: tuple[int, int, int, int],
    scale: tuple[float, float, float, float],
    kind: str,
) -> list[str]:
    """Return a line, its frame and its points.

    Args:
        points: Points in units of the data.
        place: Left, top, width and height of the frame.
        scale: Least and greatest x, and least and greatest y.
        kind: Classes of the line.
    """
    left, top, width, height = place
    x0, x1, y0, y1 = scale
    at = [(left + (x - x0) / (x1 - x0) * width, top + height - (y - y0) / (y1 - y0) * height) for x, y in points]
    line = " L".join(f"{x:.1f},{y:.1f}" for x, y in at)
    dots = [f'<circle class="{"m" if kind == "l" else "o"}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in at]
    frame = f'<path class="a" d="M{left},{top} V{top + height} H{left + width}"/>'
    return [f'<path class="{kind}" d="M{line}"/>', frame, *dots]


def _label(x: float, y: float, text: str) -> str:
    return f'<text class="s" x="{x:.0f}" y="{y}" text-anchor="middle">{text}</text>'


def _tick(x: float, y: float, text: str) -> str:
    return f'<text class="s" x="{x:.0f}" y="{y + 4:.0f}" text-anchor="end">{text}</text>'


FIGURES = {
    "pipeline": pipeline,
    "sampled-softmax": sampled_softmax,
    "growth": growth,
    "shared-matrix": shared_matrix,
}
"""Functions that draw the figures, by the name of the file."""


def main(folder: Path = FOLDER) -> None:
    """Write all figures."""
    folder.mkdir(exist_ok=True)
    for name, draw in FIGURES.items():
        (folder / f"{name}.svg").write_text(re.sub(r"\n{2,}", "\n", draw()), encoding="utf-8")


if __name__ == "__main__":
    main()
