"""The data of `bigvocab bench quality`: the nodes of a pipeline up to Transform, and the baselines of their output.

`python -m benchmarks.quality.data REQUEST` runs the nodes that REQUEST describes in JSON, and prints the folders of
their outputs and the metrics of the baselines as JSON. The lines of the nodes go to standard error.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.processes import environment
from benchmarks.trainings import Data
from components.messages.exit_codes import FAILED, INTERRUPTED
from pipeline.config.loading import load
from pipeline.config.spec import Config
from pipeline.paths import Paths

LAST = "Transform"
"""The last node that runs."""
Metrics = Mapping[str, float | None]


class DataError(RuntimeError):
    """Failure of a node, or of the counting of the baselines."""


@dataclass(frozen=True)
class Request:
    """Data to prepare.

    Attributes:
        preset: Preset, or path of a YAML file.
        root: Root folder of the pipeline. What an earlier run made there is taken from the cache.
        shared: Value of `vocabulary.shared`. Both values share the nodes before Transform.
        quick: True to apply the settings in the configuration's `quick`.
        baselines: True to measure the baselines too.
    """

    preset: str
    root: str
    shared: bool
    quick: bool = False
    baselines: bool = False

    def config(self) -> Config:
        """Return the configuration.

        Raises:
            ConfigurationError: The configuration has faults.
        """
        # Tied vectors need a shared vocabulary. The model of the preset is not trained here.
        settings = [f"vocabulary.shared={json.dumps(self.shared)}", "trainer.model.tie=false"]
        return load(self.preset, settings, self.quick)


def prepare(request: Request, threads: int) -> tuple[Data, dict[str, Metrics]]:
    """Run the nodes in a child process. Return their output, and the metrics of the baselines if asked for.

    Args:
        request: Data to prepare.
        threads: Size of the libraries' own thread pools.

    Raises:
        ConfigurationError: The configuration has faults.
        DataError: A node or the counting failed. The child process has said why.
    """
    config = request.config()
    command = [sys.executable, "-m", "benchmarks.quality.data", json.dumps(dataclasses.asdict(request))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment(threads), check=False)
    if done.returncode:
        raise DataError(f"{request.preset}: the data could not be prepared, see above")
    found = json.loads(done.stdout.splitlines()[-1])
    data = Data(found["graph"], found["examples"], config.data.model_dump_json(), config.vocabulary.num_oov_buckets)
    return data, found["baselines"]


def main(request: Request) -> dict[str, Any]:
    """Run the nodes in this process, and measure the baselines if asked for.

    Returns:
        `graph` and `examples`, the folders of Transform's output; `baselines`, metrics by baseline.

    Raises:
        SystemExit: A node failed, or the run was interrupted.
    """
    from benchmarks.quality.baselines import measure_baselines
    from pipeline.execution.runner import session

    config, paths = request.config(), Paths.of(request.root)
    with session(config, paths, "bigvocab bench quality") as (console, run_id, log, interruption):
        from pipeline import dag
        from pipeline.execution.walk import walk

        outcomes, failure = walk(dag.build(config, paths, last=LAST), run_id, console, interruption)
        if failure:
            console.line(f"{failure.node} failed. {failure}\nLog: {log}")
            raise SystemExit(FAILED)
    outputs = {outcome.node: outcome.outputs for outcome in outcomes}
    graph, examples = (outputs[LAST][key][0].uri for key in ("transform_graph", "transformed_examples"))
    rows = outputs["ExampleGen"]["examples"][0].uri
    baselines = measure_baselines(config, graph, rows) if request.baselines else {}
    return {"graph": graph, "examples": examples, "baselines": baselines}


def _answer(request: str) -> int:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        answers.write(json.dumps(main(Request(**json.loads(request)))) + "\n")
        answers.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        from pipeline.execution.node import message

        sys.stderr.write(f"{message(error)}\n")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(_answer(sys.argv[1]))
