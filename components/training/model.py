"""Model that consists of an encoder, an output for the label, and outputs for the further targets."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from components.layers.encoders.build import build_encoder
from components.layers.forms.build import build_form
from components.layers.head import SampledSoftmax, step_seed
from components.layers.label_features.layer import LabelFeatures
from components.layers.label_features.table import FeatureTable
from components.layers.mixture.layer import NgramMixture
from components.layers.mixture.tables import Tables
from components.layers.outputs import ClassOutput, NumberOutput, Output
from components.layers.repeats.layer import Repeats
from components.names import name_of, short
from components.training.data.layout import LABEL, Batch, Layout
from components.training.data.moments import Standard
from components.training.data.weights import WEIGHT
from components.training.devices import workers
from components.training.rows.hidden import at_labels, looked_up, weights
from components.training.spec import TrainerSpec

if TYPE_CHECKING:
    from components.training.faults.guard import Guard


class VocabularyClassifier(keras.Model):
    """Model with one encoder, an output for the label, and an output for each further target.

    The loss of an example is the loss of the label plus the weighted losses of the further targets. A missing target
    has a loss of 0. `fit` reports the mean of the total loss. If the model has further targets, `fit` also reports the
    mean loss of each output.

    Args:
        encoder: Layer that maps the inputs of a batch to hidden vectors.
        label: Output that predicts the label.
        further: Outputs of the further targets, by key.
        weights: Weights of the losses of the further targets, by column. The default weight is 1.
        seed: Seed of the random draws in training.
        mean_weight: Mean weight of the labels of the train split, by which the weights of a batch are divided: see
            `components.training.data.weights`.

    Attributes:
        update: Object that applies the gradients instead of the optimizer, or None. Its method `apply(gradients)` takes
            the gradients in the order of `trainable_variables`.
        guard: Guard against losses and gradients that are not finite, or None.
        step_graph: Graph of the training step that was traced last; None before the first.
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        label: Output,
        further: Mapping[str, Output] | None = None,
        weights: Mapping[str, float] | None = None,
        seed: int = 0,
        mean_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mean_weight = mean_weight
        self.encoder, self.label, self.further = encoder, label, dict(further or {})
        self.loss_weights = {name: (weights or {}).get(name_of(name), 1.0) for name in self.further}
        self.seed = seed
        self.update: Any = None
        self.guard: Guard | None = None
        self.step_graph: tf.Graph | None = None
        self.loss_mean = keras.metrics.Mean("loss")
        means = {name: keras.metrics.Mean(f"{short(name)}_loss") for name in self.answers}
        self.output_means = means if further else {}

    @property
    def answers(self) -> dict[str, Output]:
        """All outputs, by the key of their target. The first is the output of the label, with the key `label`."""
        return {LABEL: self.label, **self.further}

    def compile_with(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Compile the model without XLA, which has no kernel for `unique()` in the head.

        Args:
            optimizer: Optimizer; built here unless it is built already.
        """
        if not optimizer.built:
            optimizer.build(self.trainable_variables)
        self.compile(optimizer=optimizer, jit_compile=False)

    def make_train_function(self, force: bool = False) -> Any:
        """Return Keras's training function, or `workers.train_function` for several workers.

        With several workers, Keras's function averages values that must not be averaged.
        """
        if not workers.are_several(self.distribute_strategy):
            return super().make_train_function(force)
        if force or self.train_function is None:
            self.train_function = workers.train_function(self, self.distribute_strategy)
        return self.train_function

    def call(self, inputs: Batch) -> tf.Tensor:
        """Return the prediction of the label: logits (batch, classes), or numbers (batch,)."""
        return self.label(self.encoder(inputs), **self.context(LABEL, looked_up(inputs)))

    def train_step(self, data: tuple[Batch, Batch]) -> dict[str, tf.Tensor]:
        """Update the weights on one batch, and return the running means of the losses."""
        if not tf.executing_eagerly():
            self.step_graph = tf.compat.v1.get_default_graph()
        inputs, targets = data
        variables = self.trainable_variables
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        seed = step_seed(self.seed, self.optimizer.iterations)
        with tf.GradientTape() as tape:
            # The scopes order the graph for TensorBoard.
            with tf.name_scope("encoder"):
                hidden, flat, counted = at_labels(self.encoder, inputs, targets, seed)
            with tf.name_scope("loss"):
                losses = self.row_losses(hidden, flat, seed, counted)
            total = losses[LABEL]
            for name, weight in self.loss_weights.items():
                total += weight * losses[name]
            # Keras sums the gradients over the replicas, so each replica contributes its share of the mean.
            share = weights(targets, total, replicas)
            if WEIGHT in flat:
                share *= flat[WEIGHT] / self.mean_weight
            loss = tf.reduce_sum(share * total)
        with tf.name_scope("gradients"):
            gradients = tape.gradient(loss, [v.value for v in variables])
        with tf.name_scope("update"):
            if self.guard is not None:
                gradients = self.guard.checked(loss, gradients, self.optimizer.iterations)
            if self.update is None:
                self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            else:
                self.update.apply(gradients)
        self.loss_mean.update_state(total, share)
        for name, mean in self.output_means.items():
            mean.update_state(losses[name], share)
        return {mean.name: mean.result() for mean in self.metrics}

    def row_losses(
        self, hidden: tf.Tensor, targets: Batch, seed: tf.Tensor, counted: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Return the training losses of each output: (batch,) float32, 0 for a missing target.

        Args:
            hidden: (batch, width) hidden vectors.
            targets: (batch,) classes or numbers, by key; (batch, most) padded labels of rows with several.
            seed: (2,) int32 seed of the random draws, from which the seed of each output is derived.
            counted: (batch, k) last tokens before each label, for a mixture; (batch, K, 2) for repeats.
        """
        fold = tf.random.experimental.stateless_fold_in
        return {
            name: output.row_losses(
                hidden,
                targets[name],
                seed if name == LABEL else fold(seed, _FURTHER + number),
                **self.context(name, counted),
            )
            for number, (name, output) in enumerate(self.answers.items())
        }

    def context(self, name: str, counted: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Return the further arguments of an output: `context`, the tokens that a mixture or repeats look up.

        Args:
            name: Key of the target.
            counted: (batch, k) last tokens before each label; (batch, K, 2) classes and ages for repeats.
        """
        reads = getattr(self.answers[name], "reads_context", False)
        return {"context": counted} if reads and counted is not None else {}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Running mean of the loss and, with further targets, of each output's loss. Keras resets them."""
        return [self.loss_mean, *self.output_means.values()]

    def row_values(self, inputs: Batch, targets: Batch) -> dict[str, dict[str, tf.Tensor]]:
        """Return the `row_values` of each output for all labels of a batch, by the key of its target.

        If the labels have weights, the values contain them as `weight`.
        """
        hidden, flat, counted = at_labels(self.encoder, inputs, targets)
        weight = {WEIGHT: flat[WEIGHT]} if WEIGHT in flat else {}
        return {
            name: output.row_values(hidden, flat[name], **self.context(name, counted)) | weight
            for name, output in self.answers.items()
        }

    @property
    def lookup_weights(self) -> list[keras.Variable]:
        """Weights that the vocabularies and the data determine, and that training does not change."""
        classes = [output for output in self.answers.values() if isinstance(output, ClassOutput)]
        calibration = itertools.chain.from_iterable(output.calibration_weights for output in classes)
        return [*self.encoder.lookup_weights, *self.count_weights, *calibration]

    @property
    def count_weights(self) -> list[keras.Variable]:
        """Weights with the counts of a mixture, and with the features of labels, which each training recomputes."""
        mixture = getattr(self.label, "mixture", None)
        counts = [] if mixture is None else mixture.lookup_weights
        return counts if self.label_features is None else [*counts, *self.label_features.lookup_weights]

    @property
    def label_features(self) -> LabelFeatures | None:
        """Layer that adds the features of the labels to their class vectors, or None."""
        return self.label.head.label_features if isinstance(self.label, ClassOutput) else None

    def standardise(self, moments: Mapping[str, Standard]) -> None:
        """Set the mean and standard deviation of the target in each output of a number."""
        for name, output in self.answers.items():
            if isinstance(output, NumberOutput):
                output.standardise(moments[name].mean, moments[name].deviation)

    def freeze(self) -> None:
        """Compute the class vectors once, for a model whose training is finished: see `SampledSoftmax.freeze`."""
        for output in self.answers.values():
            if isinstance(output, ClassOutput):
                # The counts of a mixture have no room for more classes.
                output.head.freeze(grows=output.mixture is None)


# Added to the seed of the weights for the features of labels. The encoder adds smaller numbers.
_FEATURES = 500
# Base of the numbers that are folded into the seed of a step for the further targets. The encoder uses smaller numbers.
_FURTHER = 1_000


def build_model(
    spec: TrainerSpec,
    layout: Layout,
    counts: Sequence[int],
    tables: Tables | None = None,
    features: FeatureTable | None = None,
    own_dropout: float = 0.0,
) -> VocabularyClassifier:
    """Build the model of a configuration with all variables.

    Args:
        spec: Configuration of the model.
        layout: Layout of a window.
        counts: Occurrences of each label, in the order of the ids. Not read if the label is a number.
        tables: N-gram counts for the mixture of the label, or None.
        features: Features of the labels, in the order of the ids, or None.
        own_dropout: Share of the labels of a training step that are computed from their features alone.

    Raises:
        ValueError: The class vectors are tied to the token vectors, and there are more classes than input ids; or the
            encoder cannot add the features of labels to its inputs.
    """
    if spec.model.tie and layout.padding < len(counts):
        raise ValueError(
            f"trainer.model.tie: there are {len(counts):,} classes and only {layout.padding:,} input ids, so that some "
            "classes have no token vector: set vocabulary.shared: true"
        )
    if features is not None and spec.model.tie and not spec.model.embeds_label_features:
        raise ValueError(
            f"labels: the encoder '{spec.model.kind}' cannot add features of labels to its inputs: set "
            "trainer.model.tie: false, or choose another trainer.model.kind"
        )

    def features_layer(width: int, others: int = 0) -> LabelFeatures:
        return LabelFeatures(features, width, others, own_dropout, spec.seed + _FEATURES, name="label_features")

    tied = None
    if features is not None and spec.model.tie:
        tied = features_layer(spec.model.embedding, layout.padding + 1 - len(counts))
    encoder = build_encoder(
        spec.model,
        ids=layout.padding + 1,
        context=layout.context,
        numbers=layout.numbers,
        categories=layout.categories,
        seed=spec.seed,
        token_numbers=layout.token_numbers,
        token_categories=layout.token_categories,
        label_features=tied,
    )

    of_label = features_layer(encoder.width) if features is not None and tied is None else tied

    def classes(name: str, of: Sequence[int], mixture: NgramMixture | None = None) -> ClassOutput:
        head = spec.head
        layer = SampledSoftmax(
            of,
            head.negatives,
            head.alpha,
            spec.seed,
            head.logits_dtype,
            build_form(head),
            similarity=head.similarity,
            temperature=head.temperature,
            use_bias=head.bias,
            tied_to=encoder if spec.model.tie and name == "head" else None,
            features=of_label if name == "head" else None,
            name=name,
        )
        if name != "head":
            return ClassOutput(layer, calibration="sharpness", name=name)
        loss = head.loss if layout.several_labels else None
        power = spec.class_weights.power if spec.class_weights is not None else 0.0
        repeats = Repeats(len(of), name="repeats") if layout.repeats else None
        return ClassOutput(
            layer,
            mixture,
            loss=loss,
            rows=layout.labeled_rows,
            class_weight_power=power,
            repeats=repeats,
            name=name,
        )

    mixture = None if tables is None else NgramMixture(tables, layout.cached, layout.paired, name="mixture")
    number = layout.label_kind == "number"
    label = NumberOutput(spec.seed, name="head") if number else classes("head", counts, mixture)
    further = {name: NumberOutput(spec.seed, name=f"target_{i}") for i, name in enumerate(layout.target_numbers)}
    for name, of in layout.target_counts.items():
        further[name] = classes(f"target_{len(further)}", of)
    model = VocabularyClassifier(
        encoder, label, further, spec.target_weights, spec.seed, layout.mean_weight, name="model"
    )
    for output in model.answers.values():
        output.build((None, encoder.width))
    model.built = True
    return model
