"""The Trainer's entry point."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.files import matching
from components.ingest.spec import DataSpec
from components.layers.schedule import WarmupCosine
from components.metrics.bands import BandSpec
from components.preprocessing.spec import VocabularySpec
from components.preprocessing.vocabulary import Vocabulary, category_file, read_vocabulary, vocabularies
from components.progress import note
from components.training import windows
from components.training.devices import workers
from components.training.devices.strategy import describe, make_strategy
from components.training.devices.workers import Workers
from components.training.export.servable import Servable, export
from components.training.loop.checkpoint import Checkpoints, TrainingState, remove_abandoned, training_key
from components.training.loop.fitting import fit
from components.training.loop.plan import Plan, make_plan
from components.training.loop.update import periodic_update
from components.training.loop.validation import Validator, label_metrics
from components.training.model import VocabularyClassifier, build_model
from components.training.moments import number_moments
from components.training.optimizer import make_optimizer
from components.training.spec import TrainerSpec
from components.training.warm_start import transfer as warm_start
from components.training.windows import Layout


def run_fn(fn_args: Any) -> None:
    """Trains, and exports the best weights.

    It reads of `custom_config`: `trainer`, `data`, `vocabulary` and `bands`, the specs as JSON; `metrics`, the paths of
    a user's own metrics as JSON; `checkpoints`, a directory that outlives the execution; `code`, a fingerprint of the
    source. A training that was interrupted goes on from its last checkpoint. A training with a `base_model` starts from
    what that left beside its export. `training.json` in `model_run_dir` tells how it went.

    Args:
        fn_args: `tfx.components.FnArgs`.

    Raises:
        ValueError: no files or too few windows to train on, fewer devices than replicas, or a period of
            `trainer.update` that does not fit into the training.
        WorkerLost: one of several workers did not come, or has ended.
    """
    several = workers.gather(fn_args)
    with workers.losses_told() if several else contextlib.nullcontext():
        _train(fn_args, several)


def _train(fn_args: Any, several: Workers | None) -> None:
    config = fn_args.custom_config
    spec = TrainerSpec.model_validate_json(config["trainer"])
    data = DataSpec.model_validate_json(config["data"])
    bands = BandSpec.model_validate_json(config["bands"])
    own = json.loads(config.get("metrics", "[]"))
    chief = several is None or several.chief
    # Before anything else: the first use of TensorFlow would fix who takes part.
    strategy = make_strategy(spec.replicas, several is not None)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    found = vocabularies(transform)
    counts = found["labels"].counts.tolist() if "labels" in found else []
    oov_buckets = VocabularySpec.model_validate_json(config["vocabulary"]).oov_buckets
    layout = Layout.of(data, transform, spec.model.context, len(found["inputs"]) + oov_buckets)
    train_files, eval_files = _expand(fn_args.train_files), _expand(fn_args.eval_files)

    size = windows.count_windows(train_files, layout)
    plan = make_plan(spec, size.windows, strategy.num_replicas_in_sync)
    with strategy.scope():
        model = build_model(spec, layout, counts)
        model.standardise(number_moments(train_files, layout))
        model.encoder.name_ids(found["inputs"].tokens)
        schedule = _compile(model, spec, plan)

    tokens = _tokens(found, transform, data)
    key = training_key(
        [
            config["trainer"],
            config["data"],
            config["vocabulary"],
            json.dumps(own),
            config["code"],
            json.dumps([tokens, counts]),
            str(plan.batch),
            fn_args.base_model or "",
        ],
        [*train_files, *eval_files],
    )
    variables = [*model.optimizer.variables, *(model.update.variables if model.update else [])]
    checkpoints = Checkpoints(f"{config['checkpoints']}/{key}", model, variables, writes=chief)
    restored = checkpoints.restore()
    state = restored or TrainingState()
    if several:
        workers.check_step(strategy, state.step)
    if chief:
        remove_abandoned(config["checkpoints"], key)
    if restored is None:
        model.encoder.adapt(lambda length: windows.latest_ids(train_files, layout, length))
    tokens |= model.encoder.own_vocabularies
    if restored is None and fn_args.base_model:
        state.warm_start = _start_from(fn_args.base_model, model, tokens)
        state.first_iteration = int(model.optimizer.iterations.numpy())
    schedule.first = state.first_iteration
    if not state.finished:
        validation = windows.validation_batches(eval_files, layout, plan.batch, spec.validation_examples, spec.seed)

        def batches(skip: int) -> tf.data.Dataset:
            return windows.training_batches(
                train_files, layout, plan.batch, plan.steps_per_pass, spec.seed, skip, size.block_rows
            )

        validator = Validator(model, validation, strategy, own)
        fit(model, batches, validator, checkpoints, state, spec, plan, fn_args.model_run_dir, strategy)

    if not chief:  # The chief has the same weights, and is a node of the pipeline.
        return
    _report(
        fn_args.model_run_dir,
        spec,
        plan,
        state,
        model,
        describe(strategy),
        resumed=restored is not None,
        measured=label_metrics(model.label, own),
    )
    # A copy outside the strategy: mirrored variables do not belong into an export.
    best = build_model(spec, layout, counts)
    best.set_weights(checkpoints.best_weights())
    export(Servable(best, transform, data, layout, bands, spec.top_k, own), fn_args.serving_model_dir)
    warm_start.write(warm_start.beside(fn_args.serving_model_dir), model, best.get_weights(), tokens)
    checkpoints.remove()


def _compile(model: VocabularyClassifier, spec: TrainerSpec, plan: Plan) -> WarmupCosine:
    """Gives the model its optimizer, and its update if that is not at every step; returns the learning rate."""
    schedule = WarmupCosine(spec.learning_rate, plan.steps, plan.warmup)
    if spec.update.kind == "always":
        model.compile_with(make_optimizer(spec.optimizer, schedule))
    else:
        make = functools.partial(make_optimizer, spec.optimizer)
        model.update = periodic_update(spec.update, plan, model, make, schedule)
        model.compile_with(model.update.optimizer)
    return schedule


def _tokens(found: dict[str, Vocabulary], transform: tft.TFTransformOutput, data: DataSpec) -> dict[str, list[str]]:
    """The tokens of all vocabularies, by id, those of categories as `category_<column>`."""
    columns = {**data.features, **data.targets}
    files = {category_file(name): column for name, column in columns.items() if column.kind == "category"}
    categories = {name: read_vocabulary(transform.vocabulary_file_by_name(name)) for name in files}
    return {name: vocabulary.tokens for name, vocabulary in {**found, **categories}.items()}


def _start_from(base: str, model: VocabularyClassifier, tokens: dict[str, list[str]]) -> dict[str, Any] | None:
    """Takes over what fits of an earlier model; for `training.json`."""
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


def _expand(patterns: list[str]) -> list[str]:
    files = matching(patterns)
    if not files:
        raise ValueError(f"no file matches {', '.join(patterns)}")
    return files


def _report(
    directory: str,
    spec: TrainerSpec,
    plan: Plan,
    state: TrainingState,
    model: VocabularyClassifier,
    devices: str,
    resumed: bool,
    measured: list[str],
) -> None:
    """Write `training.json`. `measured` is the names of the label's metrics in each validation."""
    best = state.validations[state.best] if state.best is not None else None
    about = {
        "plan": dataclasses.asdict(plan),
        "parameters": int(model.count_params()),
        "devices": devices,
        "validation_examples": spec.validation_examples,
        "measured": measured,
        "validations": state.validations,
        "best": best,
        "stopped_early": len(state.validations) < plan.stretches,
        "resumed": resumed,
        "warm_start": state.warm_start,
    }
    tf.io.gfile.makedirs(directory)
    with tf.io.gfile.GFile(f"{directory}/training.json", "w") as file:
        file.write(json.dumps(about, indent=1))
