"""Concurrent trainings on the transformed data of a run, each in its own process with one thread.

`python -m benchmarks.trainings ARGUMENTS` runs the training that ARGUMENTS describe in JSON, and prints its results as
JSON.
"""

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
    """Output of Transform.

    Attributes:
        graph: Folder of the Transform graph.
        examples: Folder with `Split-train` and `Split-eval`.
        data: The `DataSpec`, as JSON.
        num_oov_buckets: Number of out-of-vocabulary buckets of the input vocabulary.
    """

    graph: str
    examples: str
    data: str
    num_oov_buckets: int


@dataclass(frozen=True)
class Training:
    """Configuration of one training.

    Attributes:
        name: Name in messages, next to the seed.
        trainer: Fields that differ from the default `TrainerSpec`.
        seed: Seed of the weights, the order of examples and the draws.
        steps: Number of steps, or None to derive it from `cpu_seconds`.
        cpu_seconds: Approximate CPU time of the training, used if `steps` is None.
    """

    name: str
    trainer: Mapping[str, Any]
    seed: int
    steps: int | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class Reached:
    """Results of one training.

    Attributes:
        steps: Number of steps.
        epochs: Passes over the train split.
        cpu: Seconds of CPU time for the steps, including the input pipeline.
        nll: Nats over the known labels of the eval split; inf if the training diverged.
        recall: Recall at 10 over all labels of the eval split.
    """

    steps: int
    epochs: float
    cpu: float
    nll: float
    recall: float

    def __str__(self) -> str:
        return f"nll {self.nll:.4f}, recall@10 {self.recall:.4f} after {self.epochs:.2f} epochs, {self.cpu:.0f} CPU s"


def newest(artifacts: Path) -> tuple[str, str] | None:
    """Return the folders of the graph and the examples of a run's newest Transform output, or None without one."""
    graphs = [p for p in (artifacts / "Transform" / "transform_graph").glob("*") if p.name.isdigit()]
    if not graphs:
        return None
    graph = max(graphs, key=lambda p: int(p.name))
    return str(graph), str(artifacts / "Transform" / "transformed_examples" / graph.name)


def train_all(data: Data, trainings: Sequence[Training], at_once: int, say: Callable[[str], None]) -> list[Reached]:
    """Run the trainings, at most `at_once` at a time.

    Args:
        data: Data to train on.
        trainings: Trainings to run.
        at_once: Number of concurrent processes.
        say: Receives progress messages.

    Raises:
        RuntimeError: A training failed.
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
        # A failure cancels the trainings that have not started.
        pool.shutdown(cancel_futures=True)
        return [future.result() for future in waiting if not future.cancelled()]


def train(data: Data, training: Training) -> Reached:
    """Run one training in this process."""
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
    from components.training.ngram_counts import count_ngrams
    from components.training.optimizer import make_optimizer
    from components.training.spec import TrainerSpec
    from components.training.windows import Layout

    use_threads(1)
    spec = TrainerSpec.model_validate({**training.trainer, "seed": training.seed})
    transform = tft.TFTransformOutput(data.graph)
    found = vocabularies(transform)
    inputs = len(found["inputs"]) + data.num_oov_buckets
    # The label alone, since further targets would need weights and units.
    columns = DataSpec.model_validate_json(data.data).model_copy(update={"targets": {}})
    layout = Layout.of(columns, transform, spec.model.context, inputs)
    layout = layout.counting(spec.head.mixture, len(found["inputs"]), len(found["labels"]))
    files, held_out = (sorted(tf.io.gfile.glob(f"{data.examples}/Split-{s}/*")) for s in ("train", "eval"))
    size = windows.count_windows(files, layout)
    counts = found["labels"].counts.tolist()
    tables = count_ngrams(files, layout, len(counts), spec.head.mixture) if layout.counted else None
    pass_ = make_plan(spec, size.windows, replicas=1)

    def fit(steps: int) -> tuple[VocabularyClassifier, float, float]:
        """Train a new model. Return the model, the CPU seconds per step after warm-up, and those of all steps."""
        model = build_model(spec, layout, counts, tables)
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
    """Format the mean, and the range from the least to the greatest value."""
    return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    result = train(Data(**asked["data"]), Training(**asked["training"]))
    sys.stdout.write(json.dumps(dataclasses.asdict(result)) + "\n")
