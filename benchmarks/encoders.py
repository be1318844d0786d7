"""Compares encoders at equal CPU time: what each reaches on the eval split, the head and all else being the same.

`python -m benchmarks.encoders ARGUMENTS` trains one of them, told in JSON, and prints what it reached as JSON.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.tables import table

CONCATENATION = {"context": 10, "heads": 0, "ngrams": 1}
GRU = {"kind": "recurrent", "cell": "gru", "context": 20, "embedding": 50, "projection": 128, "units": 128}
ARMS: dict[str, dict[str, Any]] = {
    "concatenation": {"model": CONCATENATION},
    "concatenation + n-grams": {"model": {**CONCATENATION, "ngrams": 3}},
    "pooling": {"model": {"ngrams": 1}},
    "pooling + n-grams": {"model": {}},
    "gru": {"model": {**GRU, "hidden": 128, "dropout": 0.2}, "learning_rate": 3e-3},
}
"""What differs from the default, by name. A GRU diverges at the others' learning rate."""
_WARM_UP, _CALIBRATION = 20, 40


@dataclass(frozen=True)
class Reached:
    """What one training reached.

    Attributes:
        epochs: passes over the train split within the time.
        cpu: seconds of CPU time, all threads.
        nll: nats, over the known labels of the eval split.
        recall: at 10, over all labels of the eval split.
    """

    epochs: float
    cpu: float
    nll: float
    recall: float


@dataclass(frozen=True)
class Data:
    """A Transform output.

    Attributes:
        graph: its folder.
        examples: the folder with `Split-train` and `Split-eval`.
        data: the `DataSpec`, as JSON.
        oov_buckets: of the input vocabulary.
    """

    graph: str
    examples: str
    data: str
    oov_buckets: int


def compare(
    data: Data,
    names: Sequence[str],
    seeds: int,
    cpu_seconds: float,
    say: Callable[[str], None],
) -> dict[str, list[Reached]]:
    """Trains each encoder once with each seed, one after the other, each in a process of its own.

    Args:
        data: what is learnt from.
        names: of `ARMS`.
        seeds: how many.
        cpu_seconds: of training, for each.
        say: told how far it is.

    Raises:
        RuntimeError: a training failed.
    """
    reached: dict[str, list[Reached]] = {name: [] for name in names}
    for seed in range(1, seeds + 1):
        for name in names:
            request = {**asdict(data), "arm": name, "seed": seed, "cpu_seconds": cpu_seconds}
            command = [sys.executable, "-m", "benchmarks.encoders", json.dumps(request)]
            path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
            environment = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "2"}
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            if done.returncode:
                raise RuntimeError(f"{name}, seed {seed}: {done.stderr.strip().splitlines()[-1:]}")
            reached[name].append(Reached(**json.loads(done.stdout.splitlines()[-1])))
            say(f"{name}, seed {seed}: {reached[name][-1]}")
    return reached


def lines(reached: Mapping[str, Sequence[Reached]]) -> Iterator[str]:
    """A table of means over the seeds, with the range from the least to the most."""

    def spread(values: Sequence[float], digits: int) -> str:
        return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"

    header = ["encoder", "epochs", "CPU s", "nll", "recall@10"]
    rows = [
        [
            name,
            f"{statistics.mean(r.epochs for r in runs):.2f}",
            f"{statistics.mean(r.cpu for r in runs):.0f}",
            spread([r.nll for r in runs], 3),
            spread([r.recall for r in runs], 4),
        ]
        for name, runs in reached.items()
    ]
    return table(header, rows)


def train(request: Mapping[str, Any]) -> Reached:
    """One training, its length so that it takes the time asked for."""
    import tensorflow as tf
    import tensorflow_transform as tft

    from components.ingest.spec import DataSpec
    from components.preprocessing.vocabulary import vocabularies
    from components.trainer import windows
    from components.trainer.model import build_model
    from components.trainer.optimizer import make_optimizer
    from components.trainer.plan import make_plan
    from components.trainer.schedule import WarmupCosine
    from components.trainer.spec import TrainerSpec
    from components.trainer.validation import Validator
    from components.trainer.windows import Layout

    spec = TrainerSpec.model_validate({**ARMS[request["arm"]], "seed": request["seed"]})
    transform = tft.TFTransformOutput(request["graph"])
    found = vocabularies(transform)
    inputs = len(found["inputs"]) + request["oov_buckets"]
    layout = Layout.of(DataSpec.model_validate_json(request["data"]), transform, spec.model.context, inputs)
    files, held_out = (sorted(tf.io.gfile.glob(f"{request['examples']}/Split-{s}/*")) for s in ("train", "eval"))
    size = windows.count_windows(files, layout)
    pass_ = make_plan(spec, size.windows, replicas=1)

    def fit(steps: int) -> Any:
        """A new model, trained for so many steps."""
        model = build_model(spec, layout, found["labels"].counts.tolist())
        model.encoder.name_ids(found["inputs"].tokens)
        warmup = min(int(spec.warmup * steps), steps - 1)
        optimizer = make_optimizer(spec.optimizer, WarmupCosine(spec.learning_rate, steps, warmup))
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer, jit_compile=False)
        batches = windows.training_batches(
            files, layout, pass_.batch, pass_.steps_per_pass, spec.seed, block_rows=size.block_rows
        )
        step = tf.function(model.train_step)
        started, before = 0.0, time.process_time()
        for number, batch in enumerate(batches.take(steps)):
            if number == _WARM_UP:
                started = time.process_time()
            float(step(batch)["loss"])
        now = time.process_time()
        return model, (now - started) / max(steps - _WARM_UP, 1), now - before

    _, a_step, _ = fit(_WARM_UP + _CALIBRATION)
    steps = max(1, int(request["cpu_seconds"] / a_step))
    model, _, cpu = fit(steps)
    every = windows.validation_batches(held_out, layout, 1_024, 1 << 30, spec.seed)
    measured = Validator(model, every, tf.distribute.get_strategy()).measure()
    return Reached(steps / pass_.steps_per_pass, cpu, measured["nll"], measured["recall_at_10"])


def newest(artifacts: Path) -> tuple[str, str] | None:
    """The newest Transform output of a run: its graph and its examples."""
    graphs = [p for p in (artifacts / "Transform" / "transform_graph").glob("*") if p.name.isdigit()]
    if not graphs:
        return None
    graph = max(graphs, key=lambda p: int(p.name))
    return str(graph), str(artifacts / "Transform" / "transformed_examples" / graph.name)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(train(json.loads(sys.argv[1])))) + "\n")
