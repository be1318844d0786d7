"""Whole trainings on what a run has transformed, side by side: each is a process of its own with one thread.

`python -m benchmarks.trainings ARGUMENTS` does one of them, told in JSON, and prints what it reached as JSON.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import environment

_WARM_UP, _CALIBRATION = 20, 40


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


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        name: shown, with the seed.
        trainer: what differs from the default `TrainerSpec`.
        seed: of weights, order and draws.
        steps: how long it is; or None,
        cpu_seconds: so that it takes about as much CPU time.
    """

    name: str
    trainer: Mapping[str, Any]
    seed: int
    steps: int | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class Reached:
    """What one training reached.

    Attributes:
        steps: that it took.
        epochs: passes over the train split.
        cpu: seconds of CPU time for the steps, input included.
        nll: nats, over the known labels of the eval split; inf where it diverged.
        recall: at 10, over all labels of the eval split.
    """

    steps: int
    epochs: float
    cpu: float
    nll: float
    recall: float

    def __str__(self) -> str:
        return f"nll {self.nll:.4f}, recall@10 {self.recall:.4f} after {self.epochs:.2f} epochs, {self.cpu:.0f} CPU s"


def newest(artifacts: Path) -> tuple[str, str] | None:
    """The newest Transform output of a run: its graph and its examples."""
    graphs = [p for p in (artifacts / "Transform" / "transform_graph").glob("*") if p.name.isdigit()]
    if not graphs:
        return None
    graph = max(graphs, key=lambda p: int(p.name))
    return str(graph), str(artifacts / "Transform" / "transformed_examples" / graph.name)


def train_all(data: Data, trainings: Sequence[Training], at_once: int, say: Callable[[str], None]) -> list[Reached]:
    """Does the trainings, so many at a time.

    Args:
        data: what is learnt from.
        trainings: what is to be trained.
        at_once: processes.
        say: told how far it is.

    Raises:
        RuntimeError: a training failed.
    """

    def one(training: Training) -> Reached:
        request = json.dumps({"data": asdict(data), "training": asdict(training)})
        command = [sys.executable, "-m", "benchmarks.trainings", request]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(threads=1), check=False)
        if done.returncode:
            last = "".join(done.stderr.strip().splitlines()[-1:])
            raise RuntimeError(f"{training.name}, seed {training.seed}: {last or f'exit code {done.returncode}'}")
        reached = Reached(**json.loads(done.stdout.splitlines()[-1]))
        say(f"{training.name}, seed {training.seed}: {reached}")
        return reached

    with ThreadPoolExecutor(at_once) as pool:
        waiting = [pool.submit(one, training) for training in trainings]
        wait(waiting, return_when=FIRST_EXCEPTION)
        # After a failure those that have not begun never do.
        pool.shutdown(cancel_futures=True)
        return [future.result() for future in waiting if not future.cancelled()]


def train(data: Data, training: Training) -> Reached:
    """One training, in this process."""
    import time

    import tensorflow as tf
    import tensorflow_transform as tft

    from benchmarks.softmax.keras_steps import use_threads
    from components.ingest.spec import DataSpec
    from components.layers.schedule import WarmupCosine
    from components.preprocessing.vocabulary import vocabularies
    from components.training import windows
    from components.training.loop.plan import make_plan
    from components.training.loop.validation import Validator
    from components.training.model import VocabularyClassifier, build_model
    from components.training.optimizer import make_optimizer
    from components.training.spec import TrainerSpec
    from components.training.windows import Layout

    use_threads(1)
    spec = TrainerSpec.model_validate({**training.trainer, "seed": training.seed})
    transform = tft.TFTransformOutput(data.graph)
    found = vocabularies(transform)
    inputs = len(found["inputs"]) + data.oov_buckets
    # The label alone: further targets would want their weights and units.
    columns = DataSpec.model_validate_json(data.data).model_copy(update={"targets": {}})
    layout = Layout.of(columns, transform, spec.model.context, inputs)
    files, held_out = (sorted(tf.io.gfile.glob(f"{data.examples}/Split-{s}/*")) for s in ("train", "eval"))
    size = windows.count_windows(files, layout)
    pass_ = make_plan(spec, size.windows, replicas=1)

    def fit(steps: int) -> tuple[VocabularyClassifier, float, float]:
        """A new model, trained for so many steps; CPU seconds a step once it runs, and of all."""
        model = build_model(spec, layout, found["labels"].counts.tolist())
        model.encoder.name_ids(found["inputs"].tokens)
        model.encoder.adapt(lambda length: windows.latest_ids(files, layout, length))
        warmup = min(int(spec.warmup * steps), steps - 1)
        model.compile_with(make_optimizer(spec.optimizer, WarmupCosine(spec.learning_rate, steps, warmup)))
        batches = windows.training_batches(
            files, layout, pass_.batch, pass_.steps_per_pass, spec.seed, block_rows=size.block_rows
        )
        step = tf.function(model.train_step)
        started = before = time.process_time()
        for number, batch in enumerate(batches.take(steps)):
            if number == _WARM_UP:
                started = time.process_time()
            float(step(batch)["loss"])
        now = time.process_time()
        return model, (now - started) / max(steps - _WARM_UP, 1), now - before

    steps = training.steps
    if steps is None:
        steps = max(1, int((training.cpu_seconds or 0) / fit(_WARM_UP + _CALIBRATION)[1]))
    model, _, cpu = fit(steps)
    every = windows.validation_batches(held_out, layout, 1_024, 1 << 30, spec.seed)
    measured = Validator(model, every, tf.distribute.get_strategy()).measure()
    nll = measured["nll"] if math.isfinite(measured["nll"]) else math.inf
    return Reached(steps, steps / pass_.steps_per_pass, cpu, nll, measured["recall_at_10"])


def spread(values: Sequence[float], digits: int) -> str:
    """The mean, and the range from the least to the most."""
    return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    result = train(Data(**asked["data"]), Training(**asked["training"]))
    sys.stdout.write(json.dumps(dataclasses.asdict(result)) + "\n")
