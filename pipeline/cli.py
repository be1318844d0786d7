"""The command line. Exit codes: 0 done, 1 a run failed, 2 a wrong configuration or command, 130 interrupted."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from components.spelling import did_you_mean
from pipeline.console import native_messages_hidden
from pipeline.loading import DEFAULT_PRESET, ConfigurationError, check_files, load, loads, preset_names, preset_summary

WRONG = 2
INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """Names the nearest command or option when one is misspelt."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)", message)
        if wrong:
            word = wrong[1] or wrong[2].partition("=")[0]
            known = [name for name in self._known() if name.startswith("-") == word.startswith("-")]
            message = f"unknown: {word}{did_you_mean(word, known)}"
        self.exit(WRONG, f"{self.prog}: {message}\n(--help lists what there is)\n")

    def _known(self) -> set[str]:
        """Commands and options, also those of the commands: argparse leaves it to the top to refuse them."""
        known: set[str] = set()
        for action in self._actions:
            known |= set(action.option_strings)
            if isinstance(action.choices, dict):
                for name, parser in action.choices.items():
                    known |= {name, *parser._known()}
        return known


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `bigvocab`."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.do(arguments)
    except ConfigurationError as error:
        print(f"Wrong configuration:\n{_indent(str(error))}", file=sys.stderr)
        return WRONG
    except UserError as error:
        print(f"bigvocab: {error}", file=sys.stderr)
        return error.code
    except BrokenPipeError:  # `bigvocab ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class UserError(Exception):
    """Something that the user can put right, said in one sentence."""

    def __init__(self, message: str, code: int = WRONG) -> None:
        super().__init__(message)
        self.code = code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="bigvocab", description="Train and serve classifiers with a big vocabulary.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    run = commands.add_parser("run", help="run the pipeline: ingest, train, evaluate, push")
    _add_configuration(run)
    run.add_argument("--quick", action="store_true", help="a small run of at most two minutes")
    run.set_defaults(do=_run)

    schema = commands.add_parser("schema", help="write a schema for your own data, by inference")
    _add_configuration(schema)
    schema.add_argument("-o", "--output", type=Path, help="default: FILE.schema.pbtxt beside FILE.yaml")
    schema.add_argument("--force", action="store_true", help="overwrite an existing file")
    schema.set_defaults(do=_schema, quick=False)

    predict = commands.add_parser("predict", help="ask a pushed model")
    predict.add_argument("text", nargs="*", metavar="TEXT", help="input as text")
    predict.add_argument("--input", type=Path, metavar="FILE.jsonl", help="rows by column; answers are JSON Lines")
    predict.add_argument("--model", type=Path, metavar="DIR", help="default: the model pushed last under runs/")
    predict.add_argument("--top", type=int, metavar="N", help="answers a row (default: 10)")
    predict.add_argument(
        "--feature", action="append", default=[], metavar="NAME=VALUE", help="a feature that goes with every TEXT"
    )
    predict.set_defaults(do=_predict)

    report = commands.add_parser("report", help="the last run's figures, and where its page is")
    _add_root(report)
    report.set_defaults(do=_report)

    tensorboard = commands.add_parser("tensorboard", help="watch the training")
    _add_root(tensorboard)
    tensorboard.add_argument("--port", type=int, default=6006, help="default: 6006")
    tensorboard.add_argument("--host", default="localhost", help="default: localhost; 0.0.0.0 opens it to the network")
    tensorboard.set_defaults(do=_tensorboard)

    doctor = commands.add_parser("doctor", help="is this machine fit, and if not, what to do")
    doctor.add_argument("--root", type=Path, default=Path("runs"), help="where the runs are to lie")
    doctor.set_defaults(do=_doctor)

    compile_ = commands.add_parser("compile", help="write the pipeline as Kubeflow Pipelines runs it")
    _add_cluster(compile_)
    compile_.add_argument("-o", "--output", type=Path, default=Path("pipeline.yaml"), help="default: pipeline.yaml")
    compile_.set_defaults(do=_compile)

    submit = commands.add_parser("submit", help="compile the pipeline and start it on a cluster")
    _add_cluster(submit)
    submit.add_argument("--name", default="", help="of the run (default: pipeline and time)")
    submit.add_argument("--experiment", help="default: the pipeline's name")
    submit.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="as in --parameter epochs=4"
    )
    submit.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    submit.set_defaults(do=_submit)

    node = commands.add_parser("run-node", help="run one node of a run, as a pod does")
    node.add_argument("node", metavar="NODE", help="as ExampleGen, Trainer, Pusher; or Report, at the end")
    _add_root(node, root_type=str)
    _add_settings(node)
    node.add_argument("--quick", action="store_true", help="as in `run`")
    node.add_argument("--run-id", required=True, help="the same for all nodes of a run, and for no other run")
    together = node.add_argument_group("a Trainer of several pods, each with the same arguments")
    together.add_argument("--workers", type=_names, default=[], metavar="HOST:PORT,...", help="all, the chief's first")
    together.add_argument(
        "--worker", type=int, default=os.environ.get("JOB_COMPLETION_INDEX", "0"), metavar="N",
        help="which one this is, from 0 (default: JOB_COMPLETION_INDEX, which an indexed Job sets)",
    )  # fmt: skip
    pod = node.add_argument_group("what compiled pipelines say")
    pod.add_argument("--configuration", metavar="TEXT", help="in place of PRESET|FILE.yaml")
    pod.add_argument("--schema", default="", metavar="TEXT", help="in place of data.schema_file")
    pod.add_argument("--data-path", default="", metavar="PATH", help="data.source.path, unless empty")
    pod.add_argument("--epochs", default="", metavar="N", help="trainer.epochs, unless empty")
    pod.add_argument("--run-name", default="", metavar="TEXT", help="what people call the run")
    pod.add_argument("--settings", type=_settings, default=[], metavar="JSON", help='as ["trainer.batch=512"]')
    node.set_defaults(do=_run_node)

    bench = commands.add_parser("bench", help="measure on this machine, against what else there is")
    _add_benchmarks(bench.add_subparsers(required=True, metavar="WHAT", parser_class=_Parser))

    presets = commands.add_parser("presets", help="list the presets")
    presets.add_argument("name", nargs="?", help="print this preset's file")
    presets.set_defaults(do=_presets)
    return parser


def _add_configuration(parser: argparse.ArgumentParser) -> None:
    _add_root(parser)
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as in --set trainer.epochs=2; may be repeated"
    )


def _add_root(parser: argparse.ArgumentParser, root_type: Callable[[str], str | Path] = Path) -> None:
    _add_preset(parser)
    parser.add_argument("--root", type=root_type, metavar="DIR", help="where it all goes (default: runs/<preset>)")


def _add_preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "preset", nargs="?", default=DEFAULT_PRESET, metavar="PRESET|FILE.yaml", help=f"default: {DEFAULT_PRESET}"
    )


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    _add_preset(parser)
    _add_settings(parser)
    parser.add_argument("--quick", action="store_true", help="the small run")


def _add_benchmarks(benchmarks: argparse._SubParsersAction[_Parser]) -> None:
    softmax = benchmarks.add_parser("softmax", help="a training step of the output layer")
    softmax.add_argument("--quick", action="store_true", help="B=1,024 and 25,000 classes, in a minute or two")
    softmax.add_argument("--only", type=_names, metavar="NAME,...", help="these variants; `training`: through fit")
    softmax.add_argument("--rounds", type=int, metavar="N", help="turns of each (default: 7; --quick: 3)")
    softmax.add_argument("--batch", type=_sizes, metavar="B,...", help="examples a step (default: 512,1024,4096)")
    softmax.add_argument("--classes", type=_sizes, metavar="N,...", help="default: 10K,25K,100K,1M")
    softmax.add_argument("--threads", type=int, metavar="N", help="of each process (default: all cores)")
    softmax.add_argument("--check", action="store_true", help="are the bounds kept? exits with 1 if not")
    softmax.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    softmax.set_defaults(do=_bench_softmax)
    encoders = benchmarks.add_parser("encoders", help="what other encoders reach in the same time, on a run's data")
    _add_root(encoders)
    encoders.add_argument("--only", type=_names, metavar="NAME,...", help="these encoders")
    encoders.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each (default: 3)")
    encoders.add_argument("--cpu-minutes", type=float, default=10, metavar="M", help="of each training (default: 10)")
    encoders.set_defaults(do=_bench_encoders)
    sampling = benchmarks.add_parser("sampling", help="what full and sampled softmax learn, on a run's data")
    _add_root(sampling)
    sampling.add_argument("--only", type=_names, metavar="NAME,...", help="these forms of the loss beside the full one")
    sampling.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each (default: 3)")
    sampling.add_argument("--steps", type=int, default=900, metavar="N", help="of each training (default: 900)")
    sampling.set_defaults(do=_bench_sampling)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _settings(text: str) -> list[str]:
    """A JSON list of `KEY=VALUE`."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise argparse.ArgumentTypeError(f"expected a JSON list, as [\"trainer.batch=512\"], not '{text}'")
    return found


def _sizes(text: str) -> list[int]:
    """As in 512,25K,1M."""
    found = [re.fullmatch(r"\s*(\d+)([KkMm]?)\s*", part) for part in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"expected numbers as in 512,25K,1M, not '{text}'")
    return [int(size[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[size[2].lower()] for size in found if size]


def _root(arguments: argparse.Namespace) -> Path:
    return arguments.root or Path("runs") / Path(arguments.preset).stem


def _run(arguments: argparse.Namespace) -> int:
    config = load(arguments.preset, arguments.set, arguments.quick)
    check_files(config)
    from pipeline import runner

    try:
        return runner.run(config, _root(arguments))
    except runner.RootInUse as error:
        raise UserError(str(error), 1) from error


def _schema(arguments: argparse.Namespace) -> int:
    config = load(arguments.preset, arguments.set)
    check_files(config, schema_needed=False)
    output = arguments.output or Path(config.data.schema_file or Path(arguments.preset).with_suffix(".schema.pbtxt"))
    if output.exists() and not arguments.force:
        raise UserError(f"{output} exists: --force overwrites it")
    from pipeline import runner, schema

    try:
        return schema.write(config, _root(arguments), output)
    except runner.RootInUse as error:
        raise UserError(str(error), 1) from error


def _predict(arguments: argparse.Namespace) -> int:
    if bool(arguments.text) == bool(arguments.input):
        raise UserError('give either TEXT or --input FILE.jsonl, as in: bigvocab predict "the state of the"')
    from pipeline import predict

    try:
        with native_messages_hidden():
            return predict.predict(
                arguments.model, arguments.text, arguments.input, arguments.top, arguments.feature, sys.stdout
            )
    except predict.PredictError as error:
        raise UserError(str(error)) from error


def _report(arguments: argparse.Namespace) -> int:
    from pipeline import show

    page, summary = (_root(arguments) / "report" / name for name in ("report.html", "summary.json"))
    if not summary.exists():
        raise UserError(f"{summary} is not there: `bigvocab run {arguments.preset}` writes it")
    for line in show.summary_lines(summary):
        print(line)
    print(f"\nAs a page: {page}")
    return 0


def _tensorboard(arguments: argparse.Namespace) -> int:
    logs = _root(arguments) / "tensorboard"
    if not logs.exists():
        raise UserError(f"{logs} is not there: `bigvocab run {arguments.preset}` makes it")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs)]
    command += ["--host", arguments.host, "--port", str(arguments.port)]
    os.execv(sys.executable, command)


def _compile(arguments: argparse.Namespace) -> int:
    config = load(arguments.preset, arguments.set, arguments.quick)
    if arguments.output.suffix not in (".yaml", ".yml"):
        raise UserError(f"--output {arguments.output}: a file that ends in .yaml is what Kubeflow Pipelines takes")
    with _kubeflow(), native_messages_hidden():
        from pipeline.kubeflow import compile as kubeflow_compile

        kubeflow_compile.compile_pipeline(config, arguments.output)
        about = kubeflow_compile.describe(arguments.output)
    print(f"{arguments.output}: {about['name']}, {len(about['tasks'])} tasks: {', '.join(about['tasks'])}")
    for name, default in about["parameters"].items():
        print(f"  {name:<10} default: {default}")
    print("Upload it, or: bigvocab submit")
    return 0


def _submit(arguments: argparse.Namespace) -> int:
    config = load(arguments.preset, arguments.set, arguments.quick)
    with _kubeflow():
        from pipeline.kubeflow import submit

        try:
            for line in submit.submit(
                config, arguments.name, arguments.experiment, arguments.parameter, arguments.dry_run
            ):
                print(line)
        except submit.SubmitError as error:
            raise UserError(str(error), 1) from error
    return 0


@contextlib.contextmanager
def _kubeflow() -> Iterator[None]:
    """Says how to install the SDK where it is not."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "kfp":
            raise
        raise UserError(
            "the Kubeflow Pipelines SDK is not installed: BIGVOCAB_EXTRAS=kubeflow ./with-env bigvocab ..., or "
            "pip install 'bigvocab[kubeflow]'"
        ) from error


def _run_node(arguments: argparse.Namespace) -> int:
    settings = [*arguments.set, *arguments.settings]
    for key, value in (("data.source.path", arguments.data_path), ("trainer.epochs", arguments.epochs)):
        if value:
            settings.append(f"{key}={json.dumps(value) if key == 'data.source.path' else value}")
    if arguments.configuration:
        config = loads(arguments.configuration, settings)
    else:
        config = load(arguments.preset, settings, arguments.quick)
        check_files(config)
    from pipeline import pod

    root = arguments.root or str(Path("runs") / config.name)
    if arguments.workers and not 0 <= arguments.worker < len(arguments.workers):
        raise UserError(f"--worker {arguments.worker}: there are {len(arguments.workers)} workers, counted from 0")
    node = pod.Pod(
        node=arguments.node, config=config, root=root, run_id=arguments.run_id, run_name=arguments.run_name,
        schema=arguments.schema, workers=tuple(arguments.workers), worker=arguments.worker,
    )  # fmt: skip
    try:
        return pod.run(node, sys.stdout)
    except pod.PodError as error:
        raise UserError(str(error)) from error


def _doctor(arguments: argparse.Namespace) -> int:
    from pipeline import doctor

    with native_messages_hidden():
        return doctor.examine(arguments.root, sys.stdout)


def _bench_softmax(arguments: argparse.Namespace) -> int:
    from pipeline import bench

    options = bench.Options(
        only=arguments.only,
        batches=arguments.batch,
        classes=arguments.classes,
        rounds=arguments.rounds,
        threads=arguments.threads,
        quick=arguments.quick,
        check=arguments.check,
    )
    return _measured(lambda: bench.softmax(options, sys.stdout, arguments.json))


def _bench_encoders(arguments: argparse.Namespace) -> int:
    config, root = load(arguments.preset), _root(arguments)
    from pipeline import bench

    seeds, minutes = arguments.seeds, arguments.cpu_minutes
    return _measured(lambda: bench.encoders(config, root, arguments.only, seeds, minutes, sys.stdout))


def _bench_sampling(arguments: argparse.Namespace) -> int:
    config, root = load(arguments.preset), _root(arguments)
    from pipeline import bench

    seeds, steps = arguments.seeds, arguments.steps
    return _measured(lambda: bench.sampling(config, root, arguments.only, seeds, steps, sys.stdout))


def _measured(do: Callable[[], int]) -> int:
    from pipeline.bench import BenchError

    try:
        return do()
    except BenchError as error:
        raise UserError(str(error)) from error
    except KeyboardInterrupt:
        return INTERRUPTED


def _presets(arguments: argparse.Namespace) -> int:
    if arguments.name:
        load(arguments.name)
        from pipeline.loading import PRESETS

        print((PRESETS / f"{arguments.name}.yaml").read_text(encoding="utf-8"), end="")
        return 0
    width = max(map(len, preset_names()))
    for name in preset_names():
        print(f"{name:<{width}}  {preset_summary(name)}")
    return 0


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


if __name__ == "__main__":
    raise SystemExit(main())
