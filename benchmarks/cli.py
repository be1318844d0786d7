"""Command line of `bigvocab bench`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from components.messages.exit_codes import INTERRUPTED, UserError
from pipeline.cli.arguments import Parser, add_preset, add_root, add_settings, folder, names, root_of

_LOCAL = "{kind: local}"


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    bench = commands.add_parser("bench", help="measure on this machine, against what else there is")
    _add_benchmarks(bench.add_subparsers(required=True, metavar="WHAT", parser_class=Parser))


def _add_benchmarks(benchmarks: argparse._SubParsersAction[Parser]) -> None:
    softmax = benchmarks.add_parser("softmax", help="a training step of the output layer")
    softmax.add_argument("--quick", action="store_true", help="B=1,024 and 25,000 classes, in a minute or two")
    softmax.add_argument("--only", type=names, metavar="NAME,...", help="these variants; `training`: through fit")
    softmax.add_argument("--rounds", type=int, metavar="N", help="turns of each (default: 7; --quick: 3)")
    softmax.add_argument("--batch", type=_sizes, metavar="B,...", help="examples a step (default: 512,1024,4096)")
    softmax.add_argument("--classes", type=_sizes, metavar="N,...", help="default: 10K,25K,100K,1M")
    softmax.add_argument("--threads", type=int, metavar="N", help="of each process (default: all cores)")
    softmax.add_argument("--check", action="store_true", help="are the bounds kept? exits with 1 if not")
    softmax.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    softmax.set_defaults(do=_bench_softmax)
    encoders = benchmarks.add_parser("encoders", help="what other encoders reach in the same time, on a run's data")
    _add_trainings(encoders, "these encoders")
    encoders.add_argument("--cpu-minutes", type=float, default=10, metavar="M", help="of each training (default: 10)")
    encoders.set_defaults(do=_bench_encoders)
    sampling = benchmarks.add_parser("sampling", help="what full and sampled softmax learn, on a run's data")
    _add_trainings(sampling, "these forms of the loss beside the full one")
    sampling.add_argument("--steps", type=int, default=900, metavar="N", help="of each training (default: 900)")
    sampling.set_defaults(do=_bench_sampling)
    heads = benchmarks.add_parser("heads", help="the cost of tied tables, cosine, n-gram counts and several labels")
    heads.add_argument("--only", type=names, metavar="NAME,...", help="steps, several, mixture, bias (default: all)")
    heads.add_argument("--rounds", type=int, default=9, metavar="N", help="turns of each (default: 9)")
    heads.add_argument("--threads", type=int, metavar="N", help="of each process (default: all cores)")
    heads.add_argument("--check", action="store_true", help="are the bounds kept? exits with 1 if not")
    heads.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    heads.set_defaults(do=_bench_heads)
    ingest = benchmarks.add_parser("ingest", help="from the source to transformed records, node by node")
    ingest.add_argument("--only", type=names, metavar="NAME,...", help="sequences, rows, events, corpus (default: all)")
    ingest.add_argument(
        "--sizes", type=_sizes, default=[100_000, 1_000_000], metavar="N,...",
        help="examples: windows, or labelled rows (default: 100K,1M)",
    )  # fmt: skip
    ingest.add_argument(
        "--spans", type=int, metavar="N", help="instead: what Transform takes for one new span after N older ones"
    )
    ingest.add_argument(
        "--beam",
        default=_LOCAL,
        metavar="YAML",
        help="another engine, as '{kind: flink, endpoint: \"jobs:8099\"}'",
    )
    ingest.add_argument("--check", action="store_true", help="are the bounds kept? exits with 1 if not")
    ingest.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, as they come")
    ingest.set_defaults(do=_bench_ingest)
    predict = benchmarks.add_parser("predict", help="the answers to a file of rows, by a pushed model")
    predict.add_argument(
        "--model", type=Path, metavar="DIR",
        help="folder of a model, of its versions, or of a run (default: the model pushed last under runs/)",
    )  # fmt: skip
    predict.add_argument(
        "--sizes", type=_sizes, default=[10_000, 100_000], metavar="N,...", help="rows (default: 10K,100K)"
    )
    predict.add_argument("--check", action="store_true", help="are the bounds kept? exits with 1 if not")
    predict.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    predict.set_defaults(do=_bench_predict)
    serve = benchmarks.add_parser("serve", help="the answers of `bigvocab serve` under load")
    serve.add_argument(
        "--model", type=Path, metavar="DIR",
        help="folder of a model, of its versions, or of a run (default: the model pushed last under runs/)",
    )  # fmt: skip
    serve.add_argument("--seconds", type=float, default=5, metavar="S", help="of each load (default: 5)")
    serve.add_argument("--rate", type=float, default=100, metavar="N", help="requests/s of one load (default: 100)")
    serve.add_argument(
        "--requests", type=int, default=0, metavar="N", help="then so many requests, and the memory before and after"
    )
    serve.add_argument("--check", action="store_true", help="are the bounds kept? exits with 1 if not")
    serve.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    serve.set_defaults(do=_bench_serve)
    quality = benchmarks.add_parser("quality", help="what encoders and heads reach on two data sets, beside baselines")
    quality.add_argument("--data", type=names, metavar="NAME,...", help="speeches, products (default: both)")
    quality.add_argument("--only", type=names, metavar="NAME,...", help="these combinations (default: all)")
    quality.add_argument("--seeds", type=int, metavar="N", help="trainings of each (default: 3; --quick: 1)")
    quality.add_argument("--cpu-seconds", type=float, metavar="S", help="of each training (default: 120; --quick: 30)")
    quality.add_argument("--quick", action="store_true", help="a quarter of the data, to try the benchmark")
    quality.add_argument(
        "--root", type=folder, default=Path("runs/quality"), metavar="DIR",
        help="folder for the data, which are made once (default: runs/quality)",
    )  # fmt: skip
    quality.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, as they come")
    quality.set_defaults(do=_bench_quality)
    basket = benchmarks.add_parser("next-basket", help="the next basket of grocery customers, beside baselines")
    basket.add_argument("--validation", action="store_true", help="the basket before the last, to choose settings")
    basket.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    basket.set_defaults(do=_bench_next_basket)
    approximate = benchmarks.add_parser("approximate", help="exact, approximate and int8 answers over many classes")
    approximate.add_argument(
        "--classes", type=_sizes, default=[200_000, 1_000_000], metavar="N,...", help="default: 200K,1M"
    )
    approximate.add_argument(
        "--model", type=Path, metavar="DIR", help="instead: the answers of this model, or of the newest one of this run"
    )
    approximate.add_argument("--rows", type=Path, metavar="FILE", help="rows for --model, as for `predict --input`")
    approximate.add_argument(
        "--most", type=int, default=4_096, metavar="N", help="of these rows, at most so many (default: 4,096)"
    )
    approximate.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each (default: 5)")
    approximate.add_argument("--check", action="store_true", help="are the bounds kept? exits with 1 if not")
    approximate.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    approximate.set_defaults(do=_bench_approximate)
    cost = benchmarks.add_parser("cost", help="predict disk, memory and time for data of a given size")
    add_preset(cost)
    add_settings(cost)
    cost.add_argument("--rows", type=_sizes, default=[10_000_000], metavar="N", help="rows (default: 10M)")
    cost.add_argument("--tokens", type=int, default=10, metavar="N", help="tokens of a row (default: 10)")
    cost.add_argument("--cores", type=int, default=2, metavar="N", help="cores of the machine (default: 2)")
    cost.set_defaults(do=_bench_cost)
    labels = benchmarks.add_parser("labels", help="features of labels: known products, and products never seen")
    labels.add_argument("--only", type=names, metavar="NAME,...", help="these forms (default: all)")
    labels.add_argument("--test", action="store_true", help="measure the test split too, once the settings are chosen")
    labels.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, as they come")
    labels.set_defaults(do=_bench_labels)


def _add_trainings(parser: Parser, only: str) -> None:
    add_root(parser)
    parser.add_argument("--only", type=names, metavar="NAME,...", help=only)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each (default: 3)")


def _sizes(text: str) -> list[int]:
    """Parse sizes such as `512,25K,1M`."""
    found = [re.fullmatch(r"\s*(\d+)([KkMm]?)\s*", part) for part in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"expected numbers as in 512,25K,1M, not '{text}'")
    return [int(size[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[size[2].lower()] for size in found if size]


def _bench_softmax(arguments: argparse.Namespace) -> int:
    from benchmarks.commands.softmax import Options, softmax

    options = Options(
        only=arguments.only,
        batches=arguments.batch,
        classes=arguments.classes,
        rounds=arguments.rounds,
        threads=arguments.threads,
        quick=arguments.quick,
        check=arguments.check,
    )
    return _measured(lambda: softmax(options, sys.stdout, arguments.json))


def _bench_encoders(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import load

    config, root = load(arguments.preset), root_of(arguments)
    from benchmarks.commands.trainings import encoders

    seeds, minutes = arguments.seeds, arguments.cpu_minutes
    return _measured(lambda: encoders(config, root, arguments.only, seeds, minutes, sys.stdout))


def _bench_sampling(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import load

    config, root = load(arguments.preset), root_of(arguments)
    from benchmarks.commands.trainings import sampling

    seeds, steps = arguments.seeds, arguments.steps
    return _measured(lambda: sampling(config, root, arguments.only, seeds, steps, sys.stdout))


def _bench_heads(arguments: argparse.Namespace) -> int:
    from benchmarks.commands.heads import heads

    only, rounds, threads, check = arguments.only, arguments.rounds, arguments.threads, arguments.check
    return _measured(lambda: heads(only, rounds, threads, check, sys.stdout, arguments.json))


def _bench_ingest(arguments: argparse.Namespace) -> int:
    from benchmarks.commands.ingest import ingest, spans

    sizes, check = arguments.sizes, arguments.check
    if arguments.spans is not None:
        if check or arguments.beam != _LOCAL:
            raise UserError("--check and --beam do not go with --spans")
        return _measured(lambda: spans(arguments.only, arguments.spans, sizes, sys.stdout, arguments.json))
    return _measured(lambda: ingest(arguments.only, sizes, check, sys.stdout, arguments.json, arguments.beam))


def _bench_predict(arguments: argparse.Namespace) -> int:
    from benchmarks.commands.answers import prediction

    model, sizes, check = arguments.model, arguments.sizes, arguments.check
    return _measured(lambda: prediction(model, sizes, check, sys.stdout, arguments.json))


def _bench_serve(arguments: argparse.Namespace) -> int:
    from benchmarks.commands.answers import serving

    load = arguments.seconds, arguments.rate, arguments.requests
    return _measured(lambda: serving(arguments.model, *load, arguments.check, sys.stdout, arguments.json))


def _bench_quality(arguments: argparse.Namespace) -> int:
    from benchmarks.commands.quality import quality

    quick = arguments.quick
    seeds = arguments.seeds if arguments.seeds is not None else 1 if quick else 3
    seconds = arguments.cpu_seconds if arguments.cpu_seconds is not None else 30 if quick else 120
    data, only, root, file = arguments.data, arguments.only, arguments.root, arguments.json
    return _measured(lambda: quality(data, only, seeds, seconds, root, sys.stdout, file, quick))


def _bench_next_basket(arguments: argparse.Namespace) -> int:
    from benchmarks.commands.products import next_basket

    validation, file = arguments.validation, arguments.json
    return _measured(lambda: next_basket(validation, sys.stdout, file))


def _bench_approximate(arguments: argparse.Namespace) -> int:
    from benchmarks.commands.answers import approximate, approximate_of_model

    rounds, check, file = arguments.rounds, arguments.check, arguments.json
    if arguments.model is not None:
        model, rows, most = arguments.model, arguments.rows, arguments.most
        return _measured(lambda: approximate_of_model(model, rows, most, rounds, check, sys.stdout, file))
    return _measured(lambda: approximate(arguments.classes, rounds, check, sys.stdout, file))


def _bench_cost(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import load

    config = load(arguments.preset, arguments.set)
    from benchmarks.cost import cost, show

    try:
        found = cost(config, arguments.rows[0], arguments.tokens, arguments.cores)
    except ValueError as error:
        raise UserError(f"--{error}") from error
    return show(found, sys.stdout)


def _bench_labels(arguments: argparse.Namespace) -> int:
    from benchmarks.commands.products import labels

    only, test, file = arguments.only, arguments.test, arguments.json
    return _measured(lambda: labels(only, test, sys.stdout, file))


def _measured(do: Callable[[], int]) -> int:
    from benchmarks.commands.common import BenchError

    try:
        return do()
    except BenchError as error:
        raise UserError(str(error)) from error
    except KeyboardInterrupt:
        return INTERRUPTED
