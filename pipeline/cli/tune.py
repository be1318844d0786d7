"""Command that searches for values of trainer keys: `bigvocab tune`."""

from __future__ import annotations

import argparse

from pipeline.cli.arguments import Parser, add_output, add_root, add_settings, no_place_to_run, output_of, root_of


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    tune = commands.add_parser(
        "tune",
        help="search for values of trainer keys, then run the pipeline with the best",
        description="Run the pipeline with the node Tuner before the Trainer. The Tuner trains with many values of "
        "the keys in tuner.space, by default the learning rate, the widths and the dropout rates, and the Trainer "
        "takes the best. A search that was interrupted goes on where it stopped, and one with a longer time goes on "
        "with the trials of a shorter one.",
    )
    add_root(tune)
    add_settings(tune)
    tune.add_argument("--time", metavar="DURATION", help="time of all trials, as in 90s, 30m or 2h (tuner.time)")
    tune.add_argument("--trials", metavar="N", help="maximum number of trials (tuner.trials)")
    tune.add_argument("--quick", action="store_true", help="search and train on the small data of `run --quick`")
    add_output(tune)
    tune.set_defaults(do=_tune)


def _tune(arguments: argparse.Namespace) -> int:
    from pipeline.config.loading import check_files, load

    options = {"tuner.time": arguments.time, "tuner.trials": arguments.trials}
    settings = [*arguments.set, *(f"{key}={value}" for key, value in options.items() if value is not None)]
    config = load(arguments.preset, settings, arguments.quick)
    if config.tuner is None:  # Neither the file nor an option has the section: all of its keys have their defaults.
        config = load(arguments.preset, [*settings, "tuner={}"], arguments.quick)
    check_files(config)
    from pipeline.execution import runner

    with no_place_to_run(root_of(arguments)):
        return runner.run(config, root_of(arguments), output=output_of(arguments))
