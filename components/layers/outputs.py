"""Outputs of a model, computed from a hidden vector: one or several of many classes, or a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras
import tensorflow as tf

from components.layers.calibration import calibrated, fit_platt, fit_sharpness, fit_temperature
from components.layers.classes.clusters import ClusterIndex, Found
from components.layers.classes.propensity import inverse_propensities
from components.layers.classes.sweep import Sweep, sweep
from components.layers.head import SampledSoftmax
from components.layers.losses.bonuses import Bonuses, full_loss_with
from components.layers.losses.class_weights import class_weights
from components.layers.losses.labels import Labels, LossName
from components.layers.losses.several_sweep import SeveralSweep, sweep_several
from components.layers.losses.several_values import several_values
from components.layers.mixture.layer import NgramMixture
from components.layers.repeats.layer import Repeats


class ClassOutput(keras.layers.Layer):
    """Output of one of many classes, trained with a sampled softmax and measured with the full softmax.

    With a `loss`, a row may have several labels, which are padded: -1 outside the vocabulary, `PADDING` after them.

    Args:
        head: Layer with a class vector for each class.
        mixture: Mixture of the softmax with counts. None: the softmax alone.
        calibration: Scalar weight that the calibration of the softmax sets: `temperature` for the label, or `sharpness`
            for a further target. The loss `sigmoid` has `scale` and `shift` in its place.
        loss: Loss of rows with several labels. None: a row has one label.
        rows: Number of rows with a label in the train split. None: the number of labels. Only for several labels.
        class_weight_power: Power of the weights of the classes in the training loss, see `losses.class_weights`; 0
            without weights. A weight multiplies the loss of a row with one label. It does not change the draws of a
            sampled loss or their correction.
        repeats: Bonus for the classes of the row's own history, for the loss `softmax`; None: no bonus. All losses are
            then computed over all classes.

    Attributes:
        temperature: Scalar weight T that does not train, 1 before `fit_temperature`. All probabilities, but not the
            training loss, are those of the logits divided by T. None: the output has another calibration.
        sharpness: Scalar weight that does not train, 1 before `calibrate`; None if the output has another calibration.
        scale: Scalar weight a that does not train, 1 before `fit_temperature`. With the loss `sigmoid`, all
            probabilities, but not the training loss, are those of the logits a z + c. None: another calibration.
        shift: Scalar weight c, 0 before `fit_temperature`, like `scale`.
    """

    def __init__(
        self,
        head: SampledSoftmax,
        mixture: NgramMixture | None = None,
        calibration: Literal["temperature", "sharpness"] = "temperature",
        loss: LossName | None = None,
        rows: int | None = None,
        class_weight_power: float = 0.0,
        repeats: Repeats | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.class_weights = class_weights(head.counts, class_weight_power) if class_weight_power else None
        self.head, self.mixture, self.calibration, self.loss, self.rows = head, mixture, calibration, loss, rows
        self.repeats = repeats
        self.temperature: keras.Variable | None = None
        self.sharpness: keras.Variable | None = None
        self.scale: keras.Variable | None = None
        self.shift: keras.Variable | None = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the variables of the head, the mixture and the repeats, unless they are already built."""
        for layer in (self.head, self.mixture, self.repeats):
            if layer is not None and not layer.built:
                layer.build(input_shape)
        if self.loss == "sigmoid":
            self.scale, self.shift = self._scalar("ones", "scale"), self._scalar("zeros", "shift")
        elif self.calibration == "temperature":
            self.temperature = self._scalar("ones", "temperature")
        else:
            self.sharpness = self._scalar("ones", "sharpness")
        self.built = True

    def _scalar(self, initializer: str, name: str) -> keras.Variable:
        return self.add_weight(
            shape=(), initializer=initializer, dtype="float32", trainable=False, autocast=False, name=name
        )

    @property
    def several(self) -> bool:
        """True if a row may have several labels."""
        return self.loss is not None

    @property
    def reads_context(self) -> bool:
        """True if the methods of the layer need `context`."""
        return self.mixture is not None or self.repeats is not None

    @property
    def calibration_weights(self) -> list[keras.Variable]:
        """Weights that the calibration of the softmax sets, and that training does not change."""
        weights = (self.temperature, self.sharpness, self.scale, self.shift)
        return [weight for weight in weights if weight is not None]

    def call(self, hidden: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Return the calibrated (batch, classes) float32 logits of (batch, width) hidden vectors, without a mixture.

        Args:
            hidden: (batch, width) float.
            context: (batch, K, 2) classes and ages of the tokens, for repeats.
        """
        logits = self._scaled(self.head(hidden))
        if self.repeats is not None:
            logits = self._calibrated_bonuses(context).added(logits, 0, self.head.classes)
        return logits if self.shift is None else logits + self.shift.value

    def row_losses(
        self, hidden: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, context: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Return the training loss of each row, (batch,) float32 nats; 0 for the class -1.

        Args:
            hidden: (batch, width) float.
            targets: (batch,) integer classes; or (batch, most) padded labels.
            seed: (2,) int32 seed of the draws.
            context: (batch, k) last tokens, for a mixture; (batch, K, 2) classes and ages of the tokens, for repeats.
        """
        factors = None if self.class_weights is None else tf.constant(self.class_weights)
        if self.repeats is not None:
            softmax, labels = (self.head.scaled(hidden), *self.head.all_rows(seed)), Labels.of(targets)
            labels = labels if factors is None else labels.by_class(factors)
            return full_loss_with(*softmax, self._bonuses(context), labels, self.head.logits_dtype)
        if self.loss is not None:
            labels = Labels.of(targets) if factors is None else Labels.of(targets).by_class(factors)
            return self.head.sampled_loss_of_several(hidden, labels, seed, self.loss)
        losses = self.head.sampled_loss(hidden, targets, seed)
        if self.mixture is not None:
            losses = self.mixture.row_losses(hidden, context, targets, losses)
        return losses if factors is None else losses * tf.gather(factors, tf.maximum(targets, 0))

    def sweep(
        self, hidden: tf.Tensor, labels: tf.Tensor | None = None, k: int = 0, context: tf.Tensor | None = None
    ) -> Sweep:
        """Measure labels and find the k most probable classes, over all classes.

        Args:
            hidden: (batch, width) float.
            labels: (batch,) integers, -1 outside the vocabulary; None if neither nll nor rank is needed.
            k: Number of the most probable classes to find.
            context: (batch, k) last tokens, for a mixture.
        """
        vectors, table, bias = self.logit_factors(hidden)
        if self.mixture is not None:
            return self.mixture.sweep(hidden, (vectors, table, bias), context, labels, k)
        if self.sharpness is not None:
            vectors, bias = calibrated(vectors, bias, self._log_prior, self.sharpness.value)
        return sweep(vectors, table, bias, labels, k)

    def approximate(self, hidden: tf.Tensor, index: ClusterIndex, k: int) -> Found:
        """Find the k most probable classes approximately, by an index of `logit_factors`: see `ClusterIndex`.

        Args:
            hidden: (batch, width) float.
            index: Index of the class vectors and biases, of an output without a mixture and without repeats.
            k: Number of the most probable classes to find.
        """
        return index.search(self.queries(hidden), self.class_rows, k, independent=self.loss == "sigmoid")

    def sweep_several(
        self, hidden: tf.Tensor, labels: Labels | None = None, k: int = 0, context: tf.Tensor | None = None
    ) -> SeveralSweep:
        """Measure the labels of rows that may have several, and find the k most probable classes, over all classes.

        Args:
            hidden: (batch, width) float.
            labels: Labels of the rows, in ascending order of the rows; None if neither nll nor rank is needed.
            k: Number of the most probable classes to find.
            context: (batch, K, 2) classes and ages of the tokens, for repeats.
        """
        labels = Labels.none() if labels is None else labels
        return sweep_several(*self.logit_factors(hidden), labels, self.loss, k, self._calibrated_bonuses(context))

    def scorer(
        self, hidden: tf.Tensor, context: tf.Tensor | None = None
    ) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Return a function that computes the scores by which `sweep` ranks classes, for some classes of some rows.

        Args:
            hidden: (batch, width) float.
            context: (batch, k) last tokens, for a mixture.

        Returns:
            Function that takes (n,) indices of rows and (n,) classes, and returns (n,) float32 logits, or log
            probabilities with a mixture.
        """
        scaled = self._scaled(self.head.scaled(hidden))

        def logits(of: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
            vectors, bias = self.head.rows(classes)
            return tf.reduce_sum(tf.gather(scaled, of) * vectors, axis=1) + self._scaled(bias)

        if self.mixture is None:
            return logits
        rows = tf.range(tf.shape(hidden)[0])
        first = tf.zeros_like(rows)
        # The nll of a class is the log normalizer minus the logit of the class.
        normaliser = sweep(*self.logit_factors(hidden), first).nll + logits(rows, first)
        mixed = self.mixture.scorer(hidden, context)
        return lambda of, classes: mixed(of, classes, tf.gather(normaliser, of) - logits(of, classes))

    def fit_temperature(
        self,
        hidden: tf.Tensor,
        labels: tf.Tensor,
        context: tf.Tensor | None = None,
        weights: tf.Tensor | None = None,
    ) -> None:
        """Set the temperature to that of the softmax, without a mixture, which `calibration.fit_temperature` finds.

        With the loss `sigmoid`, set scale and shift to those that `calibration.fit_platt` finds.

        Args:
            hidden: (batch, width) float, of examples that the model was not trained on.
            labels: (batch,) integers, -1 outside the vocabulary; or (batch, most) padded labels. At least one must be
                known.
            context: (batch, K, 2) classes and ages of the tokens, for repeats.
            weights: (batch,) float32 weights of the rows, above 0. None: 1.
        """
        self.reset_calibration()
        if self.scale is None:
            bonuses = self._calibrated_bonuses(context)
            self.temperature.assign(fit_temperature(*self.logit_factors(hidden), labels, weights, bonuses))
            return
        scale, shift = fit_platt(*self.logit_factors(hidden), labels, weights)
        self.scale.assign(scale)
        self.shift.assign(shift)

    def reset_calibration(self) -> None:
        """Set the weights of the calibration to the values before it, with which the logits are those of the head."""
        for weight in self.calibration_weights:
            weight.assign(0.0 if weight is self.shift else 1.0)

    def calibrate(
        self,
        hidden: tf.Tensor,
        labels: tf.Tensor,
        context: tf.Tensor | None = None,
        weights: tf.Tensor | None = None,
    ) -> None:
        """Calibrate the probabilities on examples that the model was not trained on.

        With a mixture, the method fits the shares of the parts (`mixture.gate`) to the softmax with its present
        temperature; otherwise it fits the sharpness of the softmax (`calibration`).

        Args:
            hidden: (batch, width) float.
            labels: (batch,) integers, -1 outside the vocabulary. At least one must be known.
            context: (batch, k) last tokens, for a mixture.
            weights: (batch,) float32 weights of the rows, above 0. None: 1.
        """
        if self.mixture is None:
            vectors, table, bias = self.logit_factors(hidden)
            self.sharpness.assign(fit_sharpness(vectors, table, bias, self._log_prior, labels, weights))
            return
        known = tf.where(labels >= 0)[:, 0]
        hidden, labels, context = (tf.gather(each, known) for each in (hidden, labels, context))
        weights = None if weights is None else tf.gather(weights, known)
        self.mixture.calibrate(hidden, context, labels, sweep(*self.logit_factors(hidden), labels).nll, weights)

    def logit_factors(self, hidden: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return (batch, width) vectors, (classes, width) class vectors and (classes,) bias of the calibrated logits.

        The calibration is that of the label. A sharpness does not count.
        """
        table, bias = self.head.all_rows()
        return self.queries(hidden), table, self._calibrated_bias(bias)

    def queries(self, hidden: tf.Tensor) -> tf.Tensor:
        """Return the first of `logit_factors`: (batch, width) float32 vectors."""
        return self._scaled(self.head.scaled(hidden))

    def class_rows(self, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the last two of `logit_factors` for some classes, without reading the rest of the table.

        Args:
            classes: (n,) integers.

        Returns:
            (n, width) and (n,) float32.
        """
        vectors, bias = self.head.rows(classes)
        return vectors, self._calibrated_bias(bias)

    def _calibrated_bias(self, bias: tf.Tensor) -> tf.Tensor:
        bias = self._scaled(bias)
        return bias if self.shift is None else bias + self.shift.value

    def _bonuses(self, context: Any) -> Bonuses:
        """Return the bonuses to the logits of the head, for (batch, K, 2) classes and ages of tokens."""
        return self.repeats(context[..., 0], context[..., 1])

    def _calibrated_bonuses(self, context: tf.Tensor | None) -> Any:
        """Return the `Bonuses` to the logits of `_softmax`; None without repeats."""
        if self.repeats is None:
            return None
        bonuses = self._bonuses(context)
        return Bonuses(bonuses.classes, bonuses.rows, self._scaled(bonuses.values))

    def _scaled(self, logits: tf.Tensor) -> tf.Tensor:
        if self.scale is not None:
            return logits * self.scale.value
        return logits if self.temperature is None else logits / self.temperature.value

    @property
    def _log_prior(self) -> tf.Tensor:
        return tf.constant(self.head.log_frequencies, tf.float32)

    def row_values(
        self, hidden: tf.Tensor, targets: tf.Tensor, context: tf.Tensor | None = None, confidence: bool = False
    ) -> dict[str, tf.Tensor]:
        """Return the values per row that metrics need, over all classes.

        Args:
            hidden: (batch, width) float.
            targets: (batch,) integer classes, -1 outside the vocabulary. If rows have several labels, (batch, most),
                with `PADDING` after the last label of a row.
            context: (batch, k) last tokens, for a mixture; (batch, K, 2) classes and ages of the tokens, for repeats.
            confidence: True to find the most probable class too, which takes more time.

        Returns:
            (batch,) each: `label`, int32 classes; `nll` in nats; `rank`, 1 for the most probable class. With
            `confidence` also `confidence`, the probability of the most probable class, and `correct`, bool, True if
            this class is the label. For several labels, see `losses.several_values`.
        """
        targets = tf.cast(targets, tf.int32)
        if self.loss is not None:
            inverse = tf.constant(inverse_propensities(self.head.counts, self.rows))
            bonuses = self._calibrated_bonuses(context)
            return several_values(*self.logit_factors(hidden), targets, inverse, self.loss, confidence, bonuses)
        found = self.sweep(hidden, targets, k=int(confidence), context=context)
        values = {"label": targets, "nll": found.nll, "rank": found.rank}
        if confidence:
            values |= {"confidence": found.probabilities[:, 0], "correct": found.ids[:, 0] == targets}
        return values


class NumberOutput(keras.layers.Layer):
    """Output of one number, trained with the mean squared error of its standardized value.

        y = m + s (h w + b),   loss = ((y - target) / s)^2

    m and s, the mean and standard deviation of the target, are weights that do not train. An untrained model therefore
    predicts values near the mean, and the learning rate does not depend on the units of the target. For a constant
    target, s = 0 and the prediction is m. Differences and squares are float64, because float32 cannot represent the
    square of 1e21 or the difference of two large numbers of opposite sign.

    Args:
        seed: Seed of the weights.
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create w, (width,), and the scalars b, m and s."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1],),
            initializer=keras.initializers.RandomNormal(stddev=0.02, seed=self.seed),
            autocast=False,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(), initializer="zeros", autocast=False, name="bias")
        self.mean = self.add_weight(shape=(), initializer="zeros", trainable=False, autocast=False, name="mean")
        self.deviation = self.add_weight(
            shape=(), initializer="ones", trainable=False, autocast=False, name="deviation"
        )
        self.built = True

    def standardise(self, mean: float, deviation: float) -> None:
        """Set m and s.

        Args:
            mean: Mean m, in the units of the target.
            deviation: Standard deviation s, in the units of the target.
        """
        self.mean.assign(mean)
        self.deviation.assign(deviation)

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Return (batch,) numbers in the units of the target, finite float32 if the weights are finite.

        Args:
            hidden: (batch, width) float.
        """
        numbers = _double(self.mean) + _double(self.deviation) * _double(self._standardised(hidden))
        return tf.cast(tf.clip_by_value(numbers, tf.float32.min, tf.float32.max), tf.float32)

    def row_losses(self, hidden: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return the squared error of each row in variances, (batch,) float32; 0 for the target NaN.

        Args:
            hidden: (batch, width) float.
            targets: (batch,) float32 numbers.
            seed: Not used: nothing is drawn.
        """
        del seed
        distance = _double(targets) - _double(self.mean)
        wanted = tf.cast(tf.math.divide_no_nan(distance, _double(self.deviation)), tf.float32)
        known = tf.logical_not(tf.math.is_nan(targets))
        # Masked here too, because a NaN that `where` removes from the loss would stay in the gradient.
        error = self._standardised(hidden) - tf.where(known, wanted, 0.0)
        return tf.where(known, tf.square(error), 0.0)

    def row_values(self, hidden: tf.Tensor, targets: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the values per row that metrics need, in the units of the target.

        Args:
            hidden: (batch, width) float.
            targets: (batch,) float32 numbers, NaN for a missing target.

        Returns:
            (batch,) float32 `answer`, the predictions, and `number`, the targets; and the scalar `mean` of the train
            split.
        """
        return {"answer": self(hidden), "number": targets, "mean": self.mean.value}

    def _standardised(self, hidden: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(tf.cast(hidden, tf.float32), self.kernel) + self.bias


def _double(value: tf.Tensor) -> tf.Tensor:
    return tf.cast(value, tf.float64)


Output = ClassOutput | NumberOutput
