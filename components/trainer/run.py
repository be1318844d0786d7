"""The Trainer's entry point."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

import dataclasses
import json
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.evaluation.spec import EvaluationSpec
from components.ingest.spec import DataSpec
from components.preprocessing.spec import VocabularySpec
from components.preprocessing.vocabulary import vocabularies
from components.trainer import windows
from components.trainer.callbacks import ProgressLine, Scalars, Validation
from components.trainer.checkpoint import Checkpoints, TrainingState, training_key
from components.trainer.export import Servable, export
from components.trainer.model import VocabularyClassifier, build_model
from components.trainer.optimizer import FusedAdam
from components.trainer.plan import Plan, make_plan
from components.trainer.schedule import WarmupCosine
from components.trainer.spec import TrainerSpec
from components.trainer.strategy import describe, make_strategy
from components.trainer.validation import Validator
from components.trainer.windows import Layout


def run_fn(fn_args: Any) -> None:
    """Trains, and exports the best weights.

    What is read of `custom_config`: `trainer`, `data`, `vocabulary` and `evaluation`, the specs as JSON;
    `checkpoints`, a directory that outlives the execution; `code`, a fingerprint of our source. A training that was
    interrupted goes on from its last validation. `training.json` in `model_run_dir` tells how it went.

    Args:
        fn_args: `tfx.components.FnArgs`.

    Raises:
        ValueError: no files or too few windows to train on, or fewer devices than replicas.
    """
    config = fn_args.custom_config
    spec = TrainerSpec.model_validate_json(config["trainer"])
    data = DataSpec.model_validate_json(config["data"])
    bands = EvaluationSpec.model_validate_json(config["evaluation"]).bands
    transform = tft.TFTransformOutput(fn_args.transform_output)
    found = vocabularies(transform)
    counts = found["labels"].counts.tolist()
    oov_buckets = VocabularySpec.model_validate_json(config["vocabulary"]).oov_buckets
    layout = Layout.of(data, transform, spec.model.context, len(found["inputs"]) + oov_buckets)
    train_files, eval_files = _expand(fn_args.train_files), _expand(fn_args.eval_files)

    strategy = make_strategy(spec.replicas)
    size = windows.count_windows(train_files, layout)
    plan = make_plan(spec, size.windows, strategy.num_replicas_in_sync)
    with strategy.scope():
        model = build_model(spec, layout, counts)
        optimizer = FusedAdam(WarmupCosine(spec.learning_rate, plan.steps, plan.warmup))
        optimizer.build(model.trainable_variables)
        # XLA has no kernel for the head's unique().
        model.compile(optimizer=optimizer, jit_compile=False)

    key = training_key(
        [config["trainer"], config["data"], config["code"], json.dumps(counts)],
        [*train_files, *eval_files],
    )
    checkpoints = Checkpoints(f"{config['checkpoints']}/{key}", model, optimizer)
    restored = checkpoints.restore()
    state = restored or TrainingState()
    if not state.finished:
        validation = windows.validation_batches(eval_files, layout, plan.batch, spec.validation_examples, spec.seed)
        batches = windows.training_batches(
            train_files,
            layout,
            plan.batch,
            plan.steps_per_pass,
            spec.seed,
            skip=int(optimizer.iterations.numpy()),
            block_rows=size.block_rows,
        )
        _fit(spec, plan, batches, model, Validator(model, validation, strategy), checkpoints, state, fn_args)

    _report(fn_args.model_run_dir, spec, plan, state, model, describe(strategy), resumed=restored is not None)
    # A copy outside the strategy: mirrored variables do not belong into an export.
    best = build_model(spec, layout, counts)
    best.set_weights(checkpoints.best_weights())
    export(Servable(best, transform, data, layout, bands, spec.top_k), fn_args.serving_model_dir)
    checkpoints.remove()


def _fit(
    spec: TrainerSpec,
    plan: Plan,
    batches: tf.data.Dataset,
    model: VocabularyClassifier,
    validator: Validator,
    checkpoints: Checkpoints,
    state: TrainingState,
    fn_args: Any,
) -> None:
    done = int(model.optimizer.iterations.numpy())
    model.fit(
        batches,
        initial_epoch=len(state.validations),
        epochs=plan.stretches,
        steps_per_epoch=plan.stretch_steps,
        verbose=0,
        shuffle=False,  # The data set has its own order.
        callbacks=[
            Validation(
                validator,
                checkpoints,
                state,
                batch=plan.batch,
                steps_per_pass=plan.steps_per_pass,
                stretches=plan.stretches,
                patience=spec.patience,
            ),
            Scalars(fn_args.model_run_dir, plan.batch),
            ProgressLine(plan.batch, plan.steps, done),
        ],
    )


def _expand(patterns: list[str]) -> list[str]:
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
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
) -> None:
    """Writes `training.json`."""
    best = state.validations[state.best] if state.best is not None else None
    about = {
        "plan": dataclasses.asdict(plan),
        "parameters": int(model.count_params()),
        "devices": devices,
        "validation_examples": spec.validation_examples,
        "validations": state.validations,
        "best": best,
        "stopped_early": len(state.validations) < plan.stretches,
        "resumed": resumed,
    }
    tf.io.gfile.makedirs(directory)
    with tf.io.gfile.GFile(f"{directory}/training.json", "w") as file:
        file.write(json.dumps(about, indent=1))
