"""The steps of a training, from wherever it stands to its end."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from components.training.devices import workers
from components.training.loop.callbacks import Callbacks, ProgressLine, Scalars, Steps, Validation
from components.training.loop.checkpoint import Checkpoints, TrainingState
from components.training.loop.plan import Plan
from components.training.loop.update import Updates
from components.training.loop.validation import Validator
from components.training.spec import TrainerSpec


def fit(
    model: keras.Model,
    batches: Callable[[int], tf.data.Dataset],
    validator: Validator,
    checkpoints: Checkpoints,
    state: TrainingState,
    spec: TrainerSpec,
    plan: Plan,
    directory: str,
    strategy: tf.distribute.Strategy,
) -> None:
    """Trains until the plan is carried out or training stops early.

    Args:
        model: compiled; where it has an `update`, that is a `PeriodicUpdate`.
        batches: the training data without so many of its first batches, endless.
        validator: measures.
        checkpoints: keep.
        state: where the training stands; changed in place.
        spec: for the seconds between checkpoints, and the patience.
        plan: of the training.
        directory: of the run, for TensorBoard.
        strategy: what the model was made under.
    """
    several = workers.are_several(strategy)
    agree = functools.partial(workers.any_says, strategy) if several else None
    scalars = Scalars(directory, state, plan.batch, plan.stretch_steps)
    callbacks: list[keras.callbacks.Callback] = [
        Steps(checkpoints, state, plan.stretch_steps, spec.checkpoint_seconds, agree),
        Validation(
            validator,
            checkpoints,
            state,
            batch=plan.batch,
            steps_per_pass=plan.steps_per_pass,
            stretches=plan.stretches,
            stretch_steps=plan.stretch_steps,
            patience=spec.patience,
        ),
        scalars,
        ProgressLine(state, plan.batch, plan.steps, validator.shown),
    ]
    if model.update is not None:
        callbacks.append(Updates(model.update, state))
    while not state.finished:
        stretch, done = divmod(state.step, plan.stretch_steps)
        # All stretches of a `fit` have the same length: the rest of one that was interrupted is a `fit` by itself.
        steps, end = plan.stretch_steps - done, stretch + 1 if done else plan.stretches
        around = Callbacks(callbacks, add_history=True, model=model, epochs=end, steps=steps, verbose=0)
        if several:
            workers.fit(model, batches(state.step), strategy, around, stretch, end, steps)
            continue
        model.fit(
            batches(state.step),
            initial_epoch=stretch,
            epochs=end,
            steps_per_epoch=steps,
            verbose=0,
            shuffle=False,  # The data set has its own order.
            callbacks=around,
        )
    scalars.close()
