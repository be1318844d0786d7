"""Commands for clusters: `bigvocab compile`, `submit`, `run-node` and `beam-workers`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from components.messages.exit_codes import FAILED, INTERRUPTED, UserError
from pipeline.cli.arguments import Parser, add_preset, add_root, add_settings, root_of
from pipeline.terminal.redirection import native_messages_hidden


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    compile_ = commands.add_parser("compile", help="compile the pipeline for Kubeflow Pipelines")
    _add_cluster(compile_)
    compile_.add_argument("-o", "--output", type=Path, default=Path("pipeline.yaml"), help="default: pipeline.yaml")
    compile_.set_defaults(do=_compile)

    submit = commands.add_parser("submit", help="compile the pipeline and start it on a cluster")
    _add_cluster(submit)
    submit.add_argument("--name", default="", help="name of the run (default: the name of the pipeline, and the time)")
    submit.add_argument("--experiment", help="name of the experiment (default: the name of the pipeline)")
    submit.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the pipeline, as in --parameter epochs=4; may be repeated",
    )
    submit.add_argument("--dry-run", action="store_true", help="print the request without sending it")
    submit.set_defaults(do=_submit)

    node = commands.add_parser("run-node", help="run one node of a run, as a pod does")
    node.add_argument("node", metavar="NODE", help="ExampleGen, Trainer, Pusher and so on, or Report at the end")
    add_root(node, root_type=str)
    add_settings(node)
    node.add_argument("--quick", action="store_true", help="as in `run`")
    node.add_argument(
        "--run-id",
        type=_run_id,
        required=True,
        help="id of the run: the same for all its nodes, and different in every other run",
    )
    together = node.add_argument_group("a Trainer in several pods, which all get the same arguments")
    together.add_argument(
        "--workers", type=int, default=1, metavar="N", help="number of pods that train together (default: 1)"
    )
    together.add_argument(
        "--worker", type=int, default=os.environ.get("JOB_COMPLETION_INDEX", "0"), metavar="N",
        help="index of this pod, from 0 (default: JOB_COMPLETION_INDEX, which an indexed Job sets)",
    )  # fmt: skip
    together.add_argument(
        "--address",
        metavar="HOST",
        help="address of this machine (default: the address that its host name resolves to)",
    )
    together.add_argument(
        "--patience",
        type=float,
        default=1_800,
        metavar="SECONDS",
        help="maximum time to wait for the other pods (default: 1800)",
    )
    pod = node.add_argument_group("arguments of compiled pipelines")
    pod.add_argument("--configuration", metavar="TEXT", help="text of the configuration, instead of PRESET|FILE.yaml")
    pod.add_argument("--schema", default="", metavar="TEXT", help="text of the schema, instead of data.schema_file")
    pod.add_argument("--data-path", default="", metavar="PATH", help="data.source.path, unless empty")
    pod.add_argument("--epochs", default="", metavar="N", help="trainer.epochs, unless empty")
    pod.add_argument("--run-name", default="", metavar="TEXT", help="display name of the run")
    pod.add_argument(
        "--settings", type=_settings, default=[], metavar="JSON", help='list of settings, such as ["trainer.batch=512"]'
    )
    node.set_defaults(do=_run_node)

    beam = commands.add_parser("beam-workers", help="start Python workers for Flink, Spark or another Beam engine")
    beam.add_argument("--port", type=int, default=50_000, metavar="N", help="default: 50000")
    beam.add_argument(
        "--host", default="localhost", help="default: localhost; with 0.0.0.0, anyone who can connect can execute code"
    )
    beam.set_defaults(do=_beam_workers)


def _beam_workers(arguments: argparse.Namespace) -> int:
    from pipeline.beam import pool as beam_pool
    from pipeline.execution.interruption import interruptible

    try:
        with interruptible():  # SIGTERM raises KeyboardInterrupt, so that `serve` ends its workers.
            beam_pool.serve(arguments.host, arguments.port)
    except OSError as error:
        raise UserError(str(error), FAILED) from error
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    add_preset(parser)
    add_settings(parser)
    parser.add_argument("--quick", action="store_true", help="compile the small run, as in `run --quick`")


def _run_id(text: str) -> str:
    """Check the id of a run, which is the name of a folder."""
    if not re.fullmatch(r"[\w-][\w.:-]*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r}: use letters, digits, '-', '_', '.' and ':'")
    return text


def _settings(text: str) -> list[str]:
    """Parse a JSON list of `KEY=VALUE` strings."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise argparse.ArgumentTypeError(f"expected a JSON list, as [\"trainer.batch=512\"], not '{text}'")
    return found


def _compile(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import load

    config = load(arguments.preset, arguments.set, arguments.quick)
    if arguments.output.suffix not in (".yaml", ".yml"):
        raise UserError(f"--output {arguments.output}: Kubeflow Pipelines requires a file name that ends in .yaml")
    with _kubeflow(), native_messages_hidden():
        from pipeline.kubeflow import compile as kubeflow_compile

        kubeflow_compile.compile_pipeline(config, arguments.output)
        about = kubeflow_compile.describe(arguments.output)
    print(f"{arguments.output}: {about['name']}, {len(about['tasks'])} tasks: {', '.join(about['tasks'])}")
    for name, default in about["parameters"].items():
        print(f"  {name:<10} default: {default}")
    print("Next: upload the file, or start it with `bigvocab submit`")
    return 0


def _submit(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import load

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
    """Return a context that converts a missing Kubeflow Pipelines SDK to a UserError with the command to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "kfp":
            raise
        raise UserError(
            "the Kubeflow Pipelines SDK is not installed: BIGVOCAB_EXTRAS=kubeflow ./with-env bigvocab ..., or "
            "pip install 'bigvocab[pipeline,kubeflow]'"
        ) from error


def _check_tasks(compiled: list[str], wanted: list[str]) -> None:
    """Check that the settings of a run do not change its tasks, which were fixed when the pipeline was compiled.

    Args:
        compiled: Nodes of the compiled pipeline.
        wanted: Nodes of the configuration with the settings of the run.

    Raises:
        UserError: The nodes differ.
    """
    changed = [*(name for name in wanted if name not in compiled), *(name for name in compiled if name not in wanted)]
    if changed:
        raise UserError(
            f"the settings of the run change its tasks ({', '.join(changed)}), which are fixed at compile time: set "
            "keys such as trainer.warm_start in `bigvocab compile`"
        )


def _run_node(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import check_files, load, loads
    from pipeline.nodes import node_names

    # A compiled pipeline always passes its parameters, at least with their default values. `--set` and `--settings`
    # come last, so that they override the parameters.
    settings = [f"data.source.path={json.dumps(arguments.data_path)}"] if arguments.data_path else []
    settings += [f"trainer.epochs={arguments.epochs}"] if arguments.epochs else []
    settings += [*arguments.set, *arguments.settings]
    if arguments.configuration:
        config = loads(arguments.configuration, settings)
        _check_tasks(node_names(loads(arguments.configuration, [])), node_names(config))
    else:
        config = load(arguments.preset, settings, arguments.quick)
        check_files(config)
    from pipeline.execution import pod

    root = str(root_of(arguments))
    if not 0 <= arguments.worker < arguments.workers:
        raise UserError(
            f"--worker {arguments.worker} (or JOB_COMPLETION_INDEX): with --workers {arguments.workers}, the "
            f"index must be from 0 to {arguments.workers - 1}"
        )
    node = pod.Pod(
        node=arguments.node, config=config, root=root, run_id=arguments.run_id, run_name=arguments.run_name,
        schema=arguments.schema, workers=arguments.workers, worker=arguments.worker, address=arguments.address,
        rendezvous_timeout=arguments.patience,
    )  # fmt: skip
    try:
        return pod.run(node, sys.stdout)
    except pod.PodError as error:
        raise UserError(str(error)) from error
