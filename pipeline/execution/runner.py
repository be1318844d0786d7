"""Runner of a whole pipeline in this process, one node at a time."""

from __future__ import annotations

import contextlib
import datetime
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.files import partial_files
from components.messages.exit_codes import FAILED, INTERRUPTED, UserError
from components.storage import storage_fault
from pipeline.config.errors import ConfigurationError
from pipeline.config.spec import Config
from pipeline.execution.interruption import Interruption, interruptible, kept
from pipeline.execution.walk import walk
from pipeline.lease.acquisition import holding
from pipeline.lease.lease import Lease
from pipeline.lease.observation import WHOLE
from pipeline.metadata.store import MetadataError, StoreUnreachable
from pipeline.nodes import NODES
from pipeline.paths import Paths
from pipeline.terminal.console import Console
from pipeline.terminal.output import FOR_PEOPLE, Output
from pipeline.terminal.redirection import everything_into

if TYPE_CHECKING:
    from components.report.summary import Summary
    from pipeline.execution.node import NodeFailed, Outcome


class RootUnusable(Exception):
    """Use of a root that is a file, or lies below a file."""


@contextlib.contextmanager
def only_run(root: Path, command: str, run_id: str) -> Iterator[Lease]:
    """Hold the lease of the whole root.

    Args:
        root: Root of the run.
        command: Command of this process, for messages of other processes.
        run_id: Id of the run, for messages of other processes.

    Raises:
        RootInUse: Another process holds a lease of the root.
        RootUnusable: The root is not a folder.
        LeaseLost: Another process took over the lease.
        OSError: The root cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            lease = stack.enter_context(holding(root, WHOLE, command, run_id, notice=_notice))
        except (FileExistsError, NotADirectoryError) as error:
            raise RootUnusable(
                f"{error.filename} is not a folder, or is inside a file: choose another --root"
            ) from error
        yield lease


def _notice(line: str) -> None:
    print(f"bigvocab: {line}", file=sys.stderr)


def run(config: Config, root: Path, command: str = "", output: Output = FOR_PEOPLE) -> int:
    """Run the pipeline and write the report.

    Args:
        config: Configuration.
        root: Folder for all files of the run.
        command: Command that started the run, for the report; empty if no command did.
        output: Form of the output.

    Returns:
        The exit code: 0 if the run completed; 1 if a node failed or the report could not be written. An interruption
        exits with code 130.

    Raises:
        ConfigurationError: The configuration cannot run here. Raised before any node runs.
        NotEnoughSpace: The disk is certainly too small. Raised before any node runs.
        RootInUse: Another process holds a lease of the root.
        RootUnusable: The root is not a folder.
        OSError: The root cannot be written.
    """
    paths = Paths.of(root)
    with session(config, paths, "bigvocab run", output) as (console, run_id, log, interruption):
        started = time.monotonic()
        from pipeline import dag
        from pipeline.execution import cleaning, space, spans
        from pipeline.terminal import show

        planned = spans.plan(config.data)
        forecast = space.forecast(config, spans.rolling_range(config.data, planned))
        if warning := space.check(forecast, paths):
            console.warn(warning)
        needs = forecast.needs
        outcomes: list[Outcome] = []
        failure = spans.ingest_earlier(config, paths, planned, run_id, console, interruption, needs)
        if not failure:
            outcomes, failure = walk(dag.build(config, paths, planned), run_id, console, interruption, needs)
        summary, unwritten = _reported(config, paths, outcomes, failure, time.monotonic() - started, command)
        if failure:
            advice = f"All nodes before {failure.node} are complete: run the same command again to resume."
            no_report = ["No report was written."] if unwritten else []
            console.stopped(
                [f"{failure.node} failed. {failure}", *no_report, f"Log: {log}", advice],
                FAILED,
                str(failure),
                failure.node,
            )
            return FAILED
        if summary is None:
            message = f"All nodes are complete, but no report was written. {unwritten}"
            advice = "Run the same command again to write the report."
            console.stopped([message, f"Log: {log}", advice], FAILED, message)
            return FAILED
        console.line()
        console.write(show.closing(summary, paths))
        cleaning.after_run(config, paths, console)
        console.ended(summary, f"{paths.report}/summary.json")
    return 0


def _reported(
    config: Config,
    paths: Paths,
    outcomes: list[Outcome],
    failure: NodeFailed | None,
    seconds: float,
    command: str,
) -> tuple[Summary | None, str]:
    """Write the report.

    Any error is returned, not raised: it must not hide the cause of a failed run.

    Returns:
        The summary and an empty text, or None and the reason that no report was written.
    """
    from pipeline.execution import results
    from pipeline.execution.node import message

    try:
        return results.write_report(config, paths, outcomes, failure, seconds, command), ""
    except Exception as error:
        logging.getLogger(__name__).exception("No report was written.")
        return None, str(storage_fault(error, paths.report) or message(error))


@contextlib.contextmanager
def session(
    config: Config, paths: Paths, command: str, output: Output = FOR_PEOPLE
) -> Iterator[tuple[Console, str, Path, Interruption]]:
    """Hold the lease of the root, send logs to a file, and configure the devices before any code uses them.

    Args:
        config: Configuration.
        paths: Paths under the root.
        command: Command of this process, for messages of other processes.
        output: Form of the output.

    Yields:
        The console, the id of the run, its log file, and the record of an interruption.

    Raises:
        ConfigurationError: This machine has fewer devices than the configuration asks for.
        RootInUse: Another process holds a lease of the root.
        SystemExit: The run was interrupted, or ended with an unexpected error.
    """
    run_id = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S.%f")[:-3]
    with only_run(Path(paths.root), command, run_id) as lease:
        paths.prepare()
        for part in partial_files(paths.report):  # Of a killed run, because this process holds the root.
            part.unlink(missing_ok=True)
        log = Path(paths.logs, f"{run_id}.log")
        with (
            everything_into(log) as streams,
            interruptible() as interruption,
            output.opened(streams) as console,
        ):
            console.opened(config.name, paths.root, str(log))
            # Prepare all nodes now: the first use of TensorFlow fixes the devices, and Transform precedes the Trainer.
            from components.messages import progress

            try:
                for node in NODES:
                    node.prepare(config)
            except ValueError as error:
                raise ConfigurationError(str(error)) from error
            progress.set_terminal(console)
            try:
                yield console, run_id, log, interruption
            except KeyboardInterrupt:
                lease.check()  # The interruption may be the one by the loss of the lease.
                message = kept(console, paths.checkpoints)
                console.stopped([message, "To resume, run the same command again."], INTERRUPTED, message)
                raise SystemExit(INTERRUPTED) from None
            except (ConfigurationError, UserError, MetadataError, StoreUnreachable):
                raise
            except Exception as error:
                if storage_fault(error, paths.root):
                    raise
                # The traceback goes to the log only: it does not help a user at the terminal.
                logging.getLogger(__name__).exception("The run ended unexpectedly.")
                message = f"BigVocab stopped: {type(error).__name__}: {error}"
                console.stopped([message, f"Log: {log}"], FAILED, message)
                raise SystemExit(FAILED) from error
            finally:
                console.stand(None)
                progress.set_terminal(None)
