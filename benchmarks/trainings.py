"""Concurrent trainings on the transformed data of a run, each in its own process with one thread.

`python -m benchmarks.trainings ARGUMENTS` runs the training that ARGUMENTS describe in JSON, and prints its results as
JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.harness.processes import environment

LEAST_STEPS = 20
"""Steps of a training whose CPU time is too short for more."""
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
        cpu_seconds: Approximate CPU time of the training, used if `steps` is None. A pilot of the same model finds the
            time of a step, so that the schedule of the learning rate ends with the time.
        measured_labels: Size of the random sample of the eval split that is measured, or None for all labels.
    """

    name: str
    trainer: Mapping[str, Any]
    seed: int
    steps: int | None = None
    cpu_seconds: float | None = None
    measured_labels: int | None = None

    def __str__(self) -> str:
        return f"{self.name}, seed {self.seed}"


@dataclass(frozen=True)
class Reached:
    """Results of one training.

    Attributes:
        steps: Number of steps.
        epochs: Passes over the train split.
        cpu: Seconds of CPU time: preparation of the model, n-gram counts, input pipeline, steps, and calibration of a
            mixture. Without the pilot, the imports and the evaluation.
        metrics: Metrics of the eval split, by their names in `components.metrics`. The nll is inf if the training
            diverged.
    """

    steps: int
    epochs: float
    cpu: float
    metrics: Mapping[str, float]

    @property
    def nll(self) -> float:
        """Nats per known label of the eval split; inf if the training diverged."""
        return self.metrics["nll"]

    @property
    def recall(self) -> float:
        """Recall at 10 over the measured labels of the eval split."""
        return self.metrics["recall_at_10"]

    def __str__(self) -> str:
        return f"nll {self.nll:.4f}, recall@10 {self.recall:.4f} after {self.epochs:.2f} epochs, {self.cpu:.0f} CPU s"


class TrainingError(RuntimeError):
    """Failure of a training, described in one line."""


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
        TrainingError: A training failed. The others are ended.
    """
    reached: dict[int, Reached] = {}
    with contextlib.closing(results([(data, training) for training in trainings], at_once)) as found:
        for number, result in found:
            if isinstance(result, TrainingError):
                raise result
            say(f"{trainings[number]}: {result}")
            reached[number] = result
    return [reached[number] for number in range(len(trainings))]


def results(
    jobs: Sequence[tuple[Data, Training]], at_once: int
) -> Generator[tuple[int, Reached | TrainingError], None, None]:
    """Run trainings, and yield the index and the result of each as soon as it ends.

    Trainings start in the order of `jobs`. Closing the generator ends those that still run.

    Args:
        jobs: Trainings, each with its data.
        at_once: Number of concurrent processes.
    """
    processes = _Processes()

    def one(data: Data, training: Training) -> Reached:
        request = json.dumps({"data": asdict(data), "training": asdict(training)})
        code, out, err = processes.run([sys.executable, "-m", "benchmarks.trainings", request])
        if code:
            last = "".join(err.strip().splitlines()[-1:])
            raise TrainingError(f"{training}: {last or f'exit code {code}'}")
        return Reached(**json.loads(out.splitlines()[-1]))

    pool = ThreadPoolExecutor(at_once)
    try:
        numbers = {pool.submit(one, *job): number for number, job in enumerate(jobs)}
        for future in as_completed(numbers):
            error = future.exception()
            if error is not None and not isinstance(error, TrainingError):
                raise error
            yield numbers[future], error or future.result()
    finally:
        processes.end()
        pool.shutdown(cancel_futures=True)


class _Processes:
    """Child processes with one thread each, which can be ended together."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock, self._ended = threading.Lock(), False

    def run(self, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command. Return its exit code, its standard output and its standard error."""
        with self._lock:
            if self._ended:
                return 1, "", ""
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(threads=1)
            )
            self._running.add(process)
        out, err = process.communicate()
        with self._lock:
            self._running.remove(process)
        return process.returncode, out, err

    def end(self) -> None:
        """Kill the running processes, and start no other."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.kill()


def train(data: Data, training: Training) -> Reached:
    """Run one training in this process."""
    import time

    import tensorflow as tf

    from benchmarks.softmax.keras_steps import use_threads
    from components.ingest.spec import DataSpec
    from components.layers.optimization.schedule import WarmupCosine
    from components.training.data.batches import latest_ids
    from components.training.data.ngram_counts import count_ngrams
    from components.training.data.transformed import Transformed
    from components.training.examples import examples_of
    from components.training.held_out import calibrate
    from components.training.loop.plan import make_plan
    from components.training.loop.validation import Validator
    from components.training.model import VocabularyClassifier, build_model
    from components.training.optimizer import make_optimizer
    from components.training.spec import TrainerSpec

    use_threads(1)
    spec = TrainerSpec.model_validate({**training.trainer, "seed": training.seed})
    # The label alone, since further targets would need weights and units.
    columns = DataSpec.model_validate_json(data.data).model_copy(update={"targets": {}})
    found = Transformed.of(
        SimpleNamespace(
            custom_config={
                "data": columns.model_dump_json(),
                "vocabulary": json.dumps({"num_oov_buckets": data.num_oov_buckets}),
                "bands": "{}",
            },
            transform_output=data.graph,
            train_files=[f"{data.examples}/Split-train/*"],
            eval_files=[f"{data.examples}/Split-eval/*"],
        ),
        spec,
    )
    files, layout, counts = found.train_files, found.layout, found.label_counts
    before = time.process_time()
    mixture = spec.head.mixture
    tables = count_ngrams(files, layout, len(counts), mixture) if mixture and layout.counted else None
    examples = examples_of(files, found.eval_files, layout, spec.seed, replicas=1)
    plan = make_plan(spec, examples.count, replicas=1, least_batch=examples.least_batch)
    prepared = time.process_time() - before

    def fit(steps: int) -> tuple[VocabularyClassifier, float, float]:
        """Train a new model. Return the model, the CPU seconds per step after warm-up, and those of all of it."""
        before = started = time.process_time()
        model = build_model(spec, layout, counts, tables)
        model.encoder.name_ids(found.input_tokens)
        model.encoder.adapt(lambda length: latest_ids(files, layout, length))
        warmup = min(int(spec.warmup * steps), steps - 1)
        model.compile_with(make_optimizer(spec.optimizer, WarmupCosine(spec.learning_rate, steps, warmup)))
        batches = examples.training(plan.batch, plan.steps_per_pass, skip=0)
        # Batches of whole rows differ in shape. With the signature, all of them share one graph. Without AutoGraph, as
        # the Trainer: it would take seconds.
        step = tf.function(model.train_step, input_signature=[batches.element_spec], autograph=False)
        for number, batch in enumerate(batches.take(steps)):
            if number == _WARM_UP:
                started = time.process_time()
            float(step(batch)["loss"])
        now = time.process_time()
        return model, (now - started) / max(steps - _WARM_UP, 1), now - before

    steps = training.steps
    if steps is None:
        length = _WARM_UP + _CALIBRATION
        _, of_step, of_pilot = fit(length)
        steps = steps_within(training.cpu_seconds or 0, prepared + of_pilot - length * of_step, of_step)
    model, _, cpu = fit(steps)
    measured = examples.validation(plan.batch, training.measured_labels or 1 << 30)
    before = time.process_time()
    calibrate(model, measured)
    cpu += time.process_time() - before
    metrics = Validator(model, measured, tf.distribute.get_strategy(), place="column").measure()
    nll = metrics["nll"] if math.isfinite(metrics["nll"]) else math.inf
    return Reached(steps, steps / plan.steps_per_pass, prepared + cpu, {**metrics, "nll": nll})


def steps_within(cpu_seconds: float, start: float, step: float) -> int:
    """Return the number of steps that a CPU time is enough for, at least `LEAST_STEPS`.

    Args:
        cpu_seconds: CPU time of the training.
        start: Seconds of it that do not depend on the number of steps.
        step: Seconds of a step, input included.
    """
    return max(LEAST_STEPS, int((cpu_seconds - start) / step))


def spread(values: Sequence[float], digits: int) -> str:
    """Format the mean, and the range from the least to the greatest value."""
    return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def main(request: str) -> None:
    """Run the training that JSON describes, and print its results as JSON."""
    asked = json.loads(request)
    of_training = train(Data(**asked["data"]), Training(**asked["training"]))
    sys.stdout.write(json.dumps(dataclasses.asdict(of_training)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
