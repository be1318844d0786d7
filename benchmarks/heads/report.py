"""Results of the benchmark of heads as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.harness import bounds
from benchmarks.harness.tables import table
from benchmarks.heads import several
from benchmarks.heads.measure import BOUNDS, MIXED, SOFTMAX, Estimate, Results
from components.messages.formatting import in_mebibytes, three_digits


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of the tables of all measured parts, each with an empty line after it."""
    size = results.size
    if results.steps:
        yield (
            f"A training step, {size.classes:,} inputs and classes, B={size.batch:,}: milliseconds of CPU time, the "
            "least and the median of the rounds, and the median ratio within a round."
        )
        yield ""
        header = ["encoder", "similarity, tables", "CPU ms", "median", "ratio"]
        rows = [
            [encoder, form, three_digits(t.least_cpu), three_digits(t.median_cpu), _ratio(results.ratio(encoder, form))]
            for encoder, forms in results.steps.items()
            for form, t in forms.items()
        ]
        yield from table(header, rows)
        yield ""
    if results.several:
        yield from several.lines(results.several, size.classes, size.batch)
    if results.answers:
        ngrams = ", ".join(f"{count:,} {length}-grams" for length, count in enumerate(results.ngrams, start=2))
        yield (
            f"The ten most probable of {size.classes:,} classes, in CPU milliseconds, the median of the rounds. The "
            f"counts: {ngrams}, {in_mebibytes(results.bytes)} MiB."
        )
        yield ""
        rows = [
            [f"{rows:,}", *(three_digits(arms[name].median_cpu) for name in (SOFTMAX, MIXED))]
            for rows, arms in results.answers.items()
        ]
        yield from table(["rows", SOFTMAX, MIXED], rows)
        yield ""
    if results.biases:
        yield (
            f"The sampled loss minus the exact one, in nats, with the standard error of {size.draws} draws. Exact: "
            f"{results.exact['model']:.3f} for the softmax alone, {results.exact['mixture']:.3f} for the mixture."
        )
        yield ""
        rows = [[f"{s:,}", _estimate(of.model), _estimate(of.mixture)] for s, of in results.biases.items()]
        yield from table(["S", SOFTMAX, MIXED], rows)
        yield ""


def bound_lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table of the bounds, each with its figure and verdict."""
    yield from bounds.bound_lines(BOUNDS, results)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}x"


def _estimate(of: Estimate) -> str:
    return f"{of.mean:+.4f} ± {of.error:.4f}"
