"""Entry point of the Trainer."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.choices import Choices
from components.labels.spec import LabelsSpec
from components.layers.mixture.spec import NgramMixtureSpec
from components.layers.mixture.tables import Tables
from components.layers.optimization.schedule import WarmupCosine
from components.memory import memory
from components.messages.progress import note
from components.training.board.board import Board
from components.training.board.neighbors import neighbors
from components.training.board.sample import Sample
from components.training.board.tables import tables_of
from components.training.data.batches import latest_ids
from components.training.data.moments import number_moments
from components.training.data.ngram_counts import count_ngrams
from components.training.data.transformed import Transformed
from components.training.devices import workers
from components.training.devices.strategy import describe, make_strategy
from components.training.devices.workers import Workers
from components.training.examples import examples_of
from components.training.export.saved_model import export
from components.training.export.servable import Servable
from components.training.export.served import prepare
from components.training.faults.guard import Guard, HaltingRate
from components.training.faults.out_of_memory import check, memory_errors, predicted
from components.training.faults.readable import Readable
from components.training.held_out import Calibrated, calibrate
from components.training.history import write_history
from components.training.label_features import FeaturesOfLabels
from components.training.loop.checkpoint import Checkpoints, TrainingState, folders, remove_abandoned, training_key
from components.training.loop.loop import Loop
from components.training.loop.plan import make_plan
from components.training.loop.update import periodic_update
from components.training.loop.validation import Validator, label_metrics
from components.training.model import VocabularyClassifier, build_model
from components.training.optimizer import make_optimizer
from components.training.spec import WITHOUT_EFFECT, TrainerSpec
from components.training.warm_start import transfer as warm_start

MoreCallbacks = Callable[[TrainingState, Validator], Sequence[keras.callbacks.Callback]]


# AutoGraph would take three seconds to rewrite the source of the traced functions. No function here needs it, and Keras
# does not apply it to the training step either.
@tf.autograph.experimental.do_not_convert
def run_fn(fn_args: Any) -> None:
    """Train the model and export the best weights.

    `custom_config` contains these keys. `data`, `vocabulary` and `bands`: the specs as JSON. `trainer`: the keys of
    `trainer` that the configuration sets, as JSON. `metrics`: the paths of the user-defined metrics as JSON.
    `exclude_seen`: the key `evaluation.exclude_seen` as JSON. `labels`: the spec of the features of labels as JSON, if
    there are any, and `labels_digest`: a hash of their file. `checkpoints`: a folder that outlives the execution.
    `code`: a fingerprint of the source. `hyperparameters` contains the `Choices` of the node Defaults or Tuner.

    An interrupted training resumes from its last checkpoint. A training with a `base_model` starts from the weights
    that were written beside the export of the base model. The function writes the history of the training to
    `model_run_dir`, see `components.training.history`.

    Args:
        fn_args: `tfx.components.FnArgs`.

    Raises:
        ValueError: A split has no files, the train split has too few examples, the machine has fewer devices than
            replicas, or a period of `trainer.update` does not fit into the training.
        NotFinite: The loss or a gradient of a step is not finite.
        OutOfMemory: The weights exceed the memory, or memory could not be allocated.
        WorkerLost: One of several workers did not answer, or has ended.
    """
    several = workers.gather(fn_args)
    timeout, training = spec_of(fn_args).worker_timeout, None

    def resume() -> str:
        return training.resume() if training else "Start all workers again"

    with workers.worker_errors(several, timeout, resume) if several else contextlib.nullcontext():
        training = Training(fn_args, several)
        training.start()
        training.fit()
        if training.chief:  # The other workers have the same weights, and are not nodes of the pipeline.
            training.finish()


def spec_of(fn_args: Any) -> TrainerSpec:
    """Return the configuration of the training.

    The keys of the user override the choices of the node Defaults. The values that the node Tuner found override both.
    """
    choices = Choices.of(fn_args.hyperparameters)
    return TrainerSpec.model_validate(choices.over(json.loads(fn_args.custom_config["trainer"])))


class Training:
    """Training of one model, with data, plan, weights and state.

    Args:
        fn_args: `tfx.components.FnArgs`.
        several: Workers that train together, or None.

    Attributes:
        chief: True if this process writes the files.
        state: State of the training; replaced by `start`.
    """

    def __init__(self, fn_args: Any, several: Workers | None) -> None:
        self.state = TrainingState()
        self._fn_args, self._several = fn_args, several
        self._board: Board | None = None
        self._config: dict[str, str] = fn_args.custom_config
        self._spec = spec_of(fn_args)
        self._own_metrics: list[str] = json.loads(self._config.get("metrics", "[]"))
        self.chief = several is None or several.chief
        # Must come first, because the first use of TensorFlow fixes the devices and workers.
        self._strategy = make_strategy(self._spec.replicas, self._spec.worker_timeout if several else None)
        self._data = Transformed.of(fn_args, self._spec)
        data, replicas = self._data, self._strategy.num_replicas_in_sync
        mixture = self._spec.head.mixture
        self._label_features = self._read_label_features()
        self._tables = self._count(mixture) if mixture and data.layout.counted else None
        self._examples = examples_of(data.train_files, data.eval_files, data.layout, self._spec.seed, replicas)
        self._plan = make_plan(self._spec, self._examples.count, replicas, self._examples.least_batch)
        if not tf.config.list_physical_devices("GPU"):  # The weights are in the memory of the GPU.
            need = predicted(self._spec, self._build, self._plan.batch, len(data.label_counts))
            check(need, self._spec, memory())
        with self._strategy.scope():
            self._model = self._build()
            self._model.standardise(number_moments(self._data.train_files, self._data.layout))
            self._model.encoder.name_ids(self._data.input_tokens)
            self._schedule = self._compile()
        self._tokens = self._data.tokens()
        self._readable = Readable(dict(self._tokens), self._data.layout)
        if self._label_features is not None:
            self._tokens |= self._label_features.vocabularies
        own, others = folders(self._config["checkpoints"], self._key(), Path(fn_args.model_run_dir).name)
        self._checkpoints = Checkpoints(
            own,
            self._model,
            self._variables(),
            self._model.count_weights,
            self.chief,
            others,
        )
        if self.chief:
            remove_abandoned(self._config["checkpoints"], own)

    def start(self) -> None:
        """Restore the last checkpoint, or prepare the first step.

        Raises:
            WorkerLost: The workers restored different checkpoints.
        """
        restored = self._checkpoints.restore()
        self.state, self._resumed = restored or TrainingState(), restored is not None
        if self._several:
            workers.check_step(self._strategy, self.state.step)
        if not self._resumed:
            files, layout = self._data.train_files, self._data.layout
            self._model.encoder.adapt(lambda length: latest_ids(files, layout, length))
        self._tokens |= self._model.encoder.own_vocabularies
        if not self._resumed and self._fn_args.base_model:
            self.state.warm_start = _start_from(self._fn_args.base_model, self._model, self._tokens)
            self.state.first_iteration = int(self._model.optimizer.iterations.numpy())
        self._schedule.first = self.state.first_iteration
        if self.chief:
            self._board = Board(self._fn_args.model_run_dir, Sample(self._validation, self._readable))
            self._board.start(self._spec.model_dump(exclude=set(WITHOUT_EFFECT)))

    def fit(self, more: MoreCallbacks = lambda state, validator: ()) -> None:
        """Train to the end of the plan, or until training stops early.

        Args:
            more: Function that returns further callbacks for the state and the validator of the training.
        """
        spec, plan = self._spec, self._plan
        weighted = self._data.layout.weighted
        validator = Validator(
            self._model, self._validation, self._strategy, self._own_metrics, calibrates=True, weighted=weighted
        )
        further = more(self.state, validator)
        if self.state.finished:
            return
        loop = Loop(self._model, validator, self._checkpoints, self.state, plan, self._readable, further, self._board)
        with memory_errors(spec, "training"):
            loop.run(self._batches, self._fn_args.model_run_dir, spec)

    def resume(self) -> str:
        """Return a sentence about the step of this training, and the step at which its next try resumes."""
        saved = self._checkpoints.last_step()
        where = "begin again: there is no checkpoint yet" if saved is None else f"resume at step {saved}"
        return f"The training ended after step {self.state.step}. When all workers are started again, they {where}"

    def finish(self) -> None:
        """Write the history, export the best weights, and remove the checkpoints."""
        spec, data = self._spec, self._data
        # A copy outside the strategy, because an export must not contain mirrored variables.
        best = self._build()
        best.set_weights(self._checkpoints.best_weights())
        best.freeze()
        calibrated = calibrate(best, self._validation, spec.top_k)
        index, served = prepare(best, self._validation, spec)
        tables = tables_of(best, data.vocabularies, self._label_features)
        self._write_history(calibrated, {**served, "neighbors": neighbors(tables)})
        if self._board is not None and self.state.best is not None:
            self._board.finish(best, tables, *self._best_metrics(self.state.best))
        servable = Servable(
            best,
            data.transform,
            data.spec,
            data.layout,
            data.bands,
            spec.top_k,
            self._own_metrics,
            json.loads(self._config.get("exclude_seen", "false")),
            (calibrated.label or {}).get("threshold"),
            index,
        )
        export(
            servable,
            self._fn_args.serving_model_dir,
            self._label_features.fitted if self._label_features is not None else None,
        )
        beside = warm_start.beside(self._fn_args.serving_model_dir)
        warm_start.write(beside, self._model, best.get_weights(), self._tokens)
        self._checkpoints.remove()

    def discard(self) -> None:
        """Write the results for TensorBoard, and remove the checkpoints of a training whose weights are not needed."""
        if self._board is not None and self.state.best is not None:
            self._board.conclude(*self._best_metrics(self.state.best))
        self._checkpoints.remove()

    def _best_metrics(self, best: int) -> tuple[dict[str, float], int]:
        """Return the metrics of the label in a validation, by name, and its step."""
        record = self.state.validations[best]
        measured = label_metrics(self._model.label, self._own_metrics, self._data.layout.weighted)
        return {name: record[name] for name in measured}, int(record["step"])

    def _build(self) -> VocabularyClassifier:
        features = self._label_features
        of_labels = (features.table, features.own_dropout) if features is not None else ()
        return build_model(self._spec, self._examples.layout, self._data.label_counts, self._tables, *of_labels)

    def _read_label_features(self) -> FeaturesOfLabels | None:
        if "labels" not in self._config:
            return None
        labels = self._data.vocabularies["labels"].tokens
        spec = LabelsSpec.model_validate_json(self._config["labels"])
        features = FeaturesOfLabels.read(spec, labels, self._data.label_counts)
        note(features.line())
        return features

    def _count(self, mixture: NgramMixtureSpec) -> Tables:
        data = self._data
        return count_ngrams(data.train_files, data.layout, len(data.label_counts), mixture)

    @functools.cached_property
    def _validation(self) -> tf.data.Dataset:
        # Made once, because the data set keeps the sample in memory.
        return self._examples.validation(self._plan.batch, self._spec.validation_examples)

    def _batches(self, skip: int) -> tf.data.Dataset:
        return self._examples.training(self._plan.batch, self._plan.steps_per_pass, skip)

    def _compile(self) -> WarmupCosine:
        """Compile the model, set its update unless the kind is `always`, and return the learning rate."""
        spec, plan, model = self._spec, self._plan, self._model
        schedule = WarmupCosine(spec.learning_rate, plan.steps, plan.warmup)
        model.guard = Guard(schedule)
        rate = HaltingRate(model.guard)
        if spec.update.kind == "always":
            model.compile_with(make_optimizer(spec.optimizer, rate))
        else:
            make = functools.partial(make_optimizer, spec.optimizer)
            model.update = periodic_update(spec.update, plan, model, make, rate)
            model.compile_with(model.update.optimizer)
        return schedule

    def _variables(self) -> list[Any]:
        """Return the variables of the training other than the weights."""
        return [*self._model.optimizer.variables, *(self._model.update.variables if self._model.update else [])]

    def _key(self) -> str:
        """Return the name of the training, which depends on all inputs that determine its checkpoints."""
        config = self._config
        return training_key(
            [
                # Some may change between tries, and the others are read after the training.
                self._spec.model_dump_json(exclude={"worker_timeout", "profile_steps", "approximate", "class_table"}),
                config["data"],
                config["vocabulary"],
                json.dumps(self._own_metrics),
                config["code"],
                *(config[key] for key in ("labels", "labels_digest") if key in config),
                json.dumps([self._tokens, self._data.label_counts]),
                str(self._plan.batch),
                self._fn_args.base_model or "",
            ],
            [*self._data.train_files, *self._data.eval_files],
        )

    def _write_history(self, calibrated: Calibrated, more: dict[str, Any]) -> None:
        state = self.state
        history = {
            "plan": dataclasses.asdict(self._plan),
            "parameters": int(self._model.count_params()),
            "devices": describe(self._strategy),
            "examples": "rows" if self._data.layout.whole_rows else "windows",
            "validation_examples": self._spec.validation_examples,
            "measured": label_metrics(self._model.label, self._own_metrics, self._data.layout.weighted),
            "validations": state.validations,
            "best": state.validations[state.best] if state.best is not None else None,
            "stopped_early": len(state.validations) < self._plan.validations,
            "resumed": self._resumed,
            "warm_start": state.warm_start,
            "mixture": calibrated.mixture,
            "calibration": calibrated.sharpness,
            "label_calibration": calibrated.label,
            **more,
            **({"label_features": dict(self._label_features.coverage)} if self._label_features else {}),
        }
        write_history(self._fn_args.model_run_dir, history)


def _start_from(base: str, model: VocabularyClassifier, tokens: dict[str, list[str]]) -> dict[str, Any] | None:
    """Assign the fitting weights of an earlier model, and return a summary, or None without such weights."""
    name = Path(base).parent.name
    try:
        earlier = warm_start.Earlier(warm_start.beside(base))
    except FileNotFoundError as missing:
        note(f"no warm start from model {name}: {missing}")
        return None
    started = {"model": name, **warm_start.start_from(earlier, model, tokens)}
    for line in warm_start.lines(started):
        note(line)
    return started
