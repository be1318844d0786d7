"""The model: an encoder, an output for the label, and outputs for the further targets."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportReturnType=false, reportArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from components.layers.encoders.build import build_encoder
from components.layers.head import SampledSoftmax, step_seed
from components.layers.outputs import ClassOutput, NumberOutput, Output
from components.names import name_of, short
from components.training.devices import workers
from components.training.layout import LABEL
from components.training.moments import Standard
from components.training.spec import TrainerSpec
from components.training.windows import Batch, Layout


class VocabularyClassifier(keras.Model):
    """One encoder with an output for the label and one for each further target.

    The loss of an example is the label's, and each further target's times its weight: a target that is missing has a
    loss of 0. `fit` reports the mean of it and, where there are further targets, of each output's own loss.

    Args:
        encoder: a layer from a batch's inputs to hidden vectors.
        label: the output that answers the label.
        further: the outputs of the further targets, by key.
        weights: of the further targets' losses, by column; 1 where nothing is said.
        seed: of what is drawn in training.

    Attributes:
        update: None, or what takes the gradients in the optimizer's place: an object with `apply(gradients)`, in the
            order of `trainable_variables`.
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        label: Output,
        further: Mapping[str, Output] | None = None,
        weights: Mapping[str, float] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoder, self.label, self.further = encoder, label, dict(further or {})
        self.loss_weights = {name: (weights or {}).get(name_of(name), 1.0) for name in self.further}
        self.seed = seed
        self.update: Any = None
        self.loss_mean = keras.metrics.Mean("loss")
        means = {name: keras.metrics.Mean(f"{short(name)}_loss") for name in self.answers}
        self.output_means = means if further else {}

    @property
    def answers(self) -> dict[str, Output]:
        """All outputs by the key of their target; the label's, `label`, is the first."""
        return {LABEL: self.label, **self.further}

    def compile_with(self, optimizer: keras.optimizers.Optimizer) -> None:
        """`compile`, without XLA: that has no kernel for the head's unique(). A new optimizer's slots are made too."""
        if not optimizer.built:
            optimizer.build(self.trainable_variables)
        self.compile(optimizer=optimizer, jit_compile=False)

    def make_train_function(self, force: bool = False) -> Any:
        """Keras's, but with several workers one that does not average what it must not."""
        if not workers.are_several(self.distribute_strategy):
            return super().make_train_function(force)
        if force or self.train_function is None:
            self.train_function = workers.train_function(self, self.distribute_strategy)
        return self.train_function

    def call(self, inputs: Batch) -> tf.Tensor:
        """What the label's output says: logits (batch, classes), or numbers (batch,)."""
        return self.label(self.encoder(inputs))

    def train_step(self, data: tuple[Batch, Batch]) -> dict[str, tf.Tensor]:
        inputs, targets = data
        variables = self.trainable_variables
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        seed = step_seed(self.seed, self.optimizer.iterations)
        with tf.GradientTape() as tape:
            losses = self.row_losses(self.encoder(inputs, dropout_seed=seed), targets, seed)
            total = losses[LABEL]
            for name, weight in self.loss_weights.items():
                total += weight * losses[name]
            # Keras sums the gradients over the replicas: each brings its share of the mean.
            loss = tf.reduce_mean(total) / replicas
        gradients = tape.gradient(loss, [v.value for v in variables])
        if self.update is None:
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        else:
            self.update.apply(gradients)
        self.loss_mean.update_state(total)
        for name, mean in self.output_means.items():
            mean.update_state(losses[name])
        return {mean.name: mean.result() for mean in self.metrics}

    def row_losses(self, hidden: tf.Tensor, targets: Batch, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Each output's training losses: (batch,) float32, 0 where the target is missing.

        Args:
            hidden: (batch, width).
            targets: by name: classes or numbers (batch,).
            seed: (2,) int32, of what the outputs draw; each draws from a seed of its own.
        """
        fold = tf.random.experimental.stateless_fold_in
        return {
            name: output.row_losses(hidden, targets[name], seed if name == LABEL else fold(seed, _FURTHER + number))
            for number, (name, output) in enumerate(self.answers.items())
        }

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.loss_mean, *self.output_means.values()]

    def row_values(self, inputs: Batch, targets: Batch) -> dict[str, dict[str, tf.Tensor]]:
        """Return the `row_values` of each output, by the key of its target."""
        hidden = self.encoder(inputs)
        return {name: output.row_values(hidden, targets[name]) for name, output in self.answers.items()}

    def standardise(self, moments: Mapping[str, Standard]) -> None:
        """Tells each output of a number the mean and standard deviation of its target."""
        for name, output in self.answers.items():
            if isinstance(output, NumberOutput):
                output.standardise(moments[name].mean, moments[name].deviation)


# Numbers below this are folded into a step's seed by the encoder.
_FURTHER = 1_000


def build_model(spec: TrainerSpec, layout: Layout, counts: Sequence[int]) -> VocabularyClassifier:
    """The model of a configuration, with all its variables made.

    Args:
        spec: what is to be built.
        layout: what a window is made of.
        counts: occurrences of each label, in the order of the ids; not read where the label is a number.
    """
    encoder = build_encoder(
        spec.model,
        ids=layout.padding + 1,
        context=layout.context,
        numbers=layout.numbers,
        categories=layout.categories,
        seed=spec.seed,
    )

    def classes(name: str, of: Sequence[int]) -> ClassOutput:
        head = spec.head
        layer = SampledSoftmax(of, head.negatives, head.alpha, spec.seed, head.logits, head.form, name=name)
        return ClassOutput(layer, name=name)

    label = NumberOutput(spec.seed, name="head") if layout.label_kind == "number" else classes("head", counts)
    further = {name: NumberOutput(spec.seed, name=f"target_{i}") for i, name in enumerate(layout.target_numbers)}
    for name, of in layout.target_counts.items():
        further[name] = classes(f"target_{len(further)}", of)
    model = VocabularyClassifier(encoder, label, further, spec.target_weights, spec.seed, name="model")
    for output in model.answers.values():
        output.build((None, encoder.width))
    model.built = True
    return model
