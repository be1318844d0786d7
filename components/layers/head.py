"""Output layer over many classes that trains on a sample of the classes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import keras
import numpy as np
import tensorflow as tf

from components.layers.classes.int8 import Int8Rows
from components.layers.classes.proposal import Proposal
from components.layers.classes.similarity import DEFAULT_TEMPERATURE, Name, unit
from components.layers.classes.sweep import Sweep, sweep
from components.layers.forms.base import Form, Step
from components.layers.forms.names import FormName
from components.layers.forms.registry import check_form, form_of
from components.layers.forward import Forward, as_rows, like, mark
from components.layers.losses import several_labels as several
from components.layers.losses.labels import Labels, LossName
from components.layers.losses.one_label import full_loss
from components.layers.losses.several_sweep import SeveralSweep, sweep_several
from components.layers.optimization.gradients import gather_rows

if TYPE_CHECKING:
    from components.layers.label_features.layer import LabelFeatures
    from components.layers.token_vectors import TokenVectors

_DRAWS = "draws"


def step_seed(seed: int, step: tf.Tensor) -> tf.Tensor:
    """Return the (2,) int32 seed of stateless draws, which is determined by seed, step and replica.

    Args:
        seed: Seed of the training.
        step: Scalar integer, number of the step.
    """
    return _replica_seed(_spread(seed), step)


def _spread(seed: int) -> int:
    """Return the first number of a seed, far enough from that of the next seed that replicas do not overlap."""
    return (seed * 2_654_435) % (2**31 - 2**16)


def _replica_seed(first: Any, step: tf.Tensor) -> tf.Tensor:
    context = tf.distribute.get_replica_context()
    replica = context.replica_id_in_sync_group if context else 0
    return tf.stack([first + tf.cast(replica, tf.int32), tf.cast(step, tf.int32)])


@keras.saving.register_keras_serializable("bigvocab")
class SampledSoftmax(keras.layers.Layer):
    """Dense layer over many classes that trains on a sample of the classes.

    Use it as the last layer of a Keras model, with `SampledCrossentropy` as the loss. `fit` then trains on the sample;
    `evaluate`, and validation in `fit`, measure the exact cross entropy over all classes.

    The layer returns the logits of all classes. In training, the loss does not read the logits, so TensorFlow leaves
    their matrix product out of the graph of the step. A metric over the logits, such as
    `SparseTopKCategoricalAccuracy`, and `run_eagerly` cause the product to be computed. `TopClasses`, applied to the
    output of the layer, returns the most probable classes.

    For a custom training step, `sampled_loss` returns the cross entropy over the candidates. A step draws S classes
    from q, proportional to counts ** alpha, with replacement. The form determines the candidates:

        own     each row's own label, and the draws, which all rows share
        shared  the labels of the whole batch, and the draws: more candidates, at more cost
        full    all classes
        auto    `full` if S is at least the number of classes; otherwise `own`, the fastest form

    Each class is a candidate at most once, and a row's own label is never a negative sample of the row. A class that
    enters only by a draw is a candidate with probability pi = 1 - (1 - q)^S, and log(pi) is subtracted from its logit.
    Nothing is subtracted from the logit of a label that is certain to be a candidate. The sum over the candidates is
    therefore an unbiased estimate of the sum over all classes.

    CPU milliseconds per step of the layer and `RowAdam` on two busy cores of an AMD EPYC virtual machine, width 128,
    S = 1,024, frequencies by Zipf's law:

        classes      batch 64                  batch 1,024               batch 4,096
                     own   shared  full        own   shared  full        own   shared  full
        1,500        3.3   3.4     3.7         10.7  12.4    17.2        33    52      63
        2,000        3.0   3.1     3.6         9.7   12.4    21.7        27    52      79
        4,000        2.7   2.7     5.7         10.8  13.5    40.8        33    69      165

    The logit of a class is the similarity of the hidden vector and the class vector, times a temperature, plus a bias:
    see `similarity`. The class vectors are a table of the layer, or the vectors of input tokens (`tied_to`). One table
    for both needs half the weights, and a class with few examples also learns from its occurrences in the inputs
    (Press and Wolf, "Using the Output Embedding to Improve Language Models", 2017).

    Args:
        counts: (classes,) occurrences of each class in the training data, in the order of the ids. A class without
            occurrences is drawn as if it occurred half a time.
        negatives: S, the number of draws per step. If S is at least the number of classes, all built-in forms are the
            full softmax.
        alpha: Exponent of the proposal: 0 draws all classes equally often, 1 as often as they occur.
        seed: Seed of the weights and of the draws.
        logits_dtype: "float32" or "bfloat16", the type of the wide matrix products in the loss. The output is float32.
        form: "auto", "own", "shared" or "full", see above; or an instance of a user-defined `forms.base.Form`, which is
            used for any value of `negatives`.
        fixed_shape: True to keep and mask repeated draws, so that no shape depends on the draws and a GPU does not wait
            for the host. True also lets Keras compile the model by XLA. Otherwise Keras does not use XLA, whatever the
            value of `jit_compile`. None: repeated draws are kept if TensorFlow sees a GPU, without XLA.
        activation: None for logits as output; "softmax" for probabilities that sum to 1; "sigmoid" for the probability
            of each class by itself, for rows with several labels.
        training_logits: False to replace the output by NaN in training. Set it if no metric reads the output in
            training: the step then does not copy the table, which takes 35 ms for a million classes of width 128.
        similarity: "dot" or "cosine", see `similarity`.
        temperature: Factor of the similarity. "learned": a weight of the layer. None: 1 for "dot", 12 for "cosine",
            which are also the initial values of "learned".
        use_bias: True to add a bias for each class, with the log frequency of the class as its initial value.
        tied_to: Token vectors to use as the class vectors in place of a table. Such a layer cannot be saved by itself,
            because the vectors belong to another layer.
        features: Layer that adds features of the classes to the class vectors and biases. A layer without `tied_to`
            owns it. With `tied_to`, the token vectors already contain the features, and the layer only adds those of
            the bias; it then must be a `FeaturedTokenVectors`. Such a layer cannot be saved by itself either.

    Raises:
        ValueError: `counts` has fewer than two classes, or is negative or all 0; `negatives` is below 1; the form, the
            activation or the similarity is unknown; the temperature is not positive. On the first call: the hidden
            vectors and the token vectors differ in width.

    Example:
        >>> head = SampledSoftmax(counts=[50, 30, 10, 5, 5], negatives=3)
        >>> inputs = keras.Input((8,))
        >>> model = keras.Model(inputs, head(inputs))
        >>> model.compile("adam", loss=SampledCrossentropy())
        >>> hidden, labels = tf.random.normal([4, 8]), tf.constant([0, 1, 4, -1])
        >>> _ = model.fit(hidden, labels, verbose=0)
        >>> model(hidden).shape
        TensorShape([4, 5])
        >>> head.sampled_loss(hidden, labels, seed=step_seed(head.seed, 0)).shape
        TensorShape([4])
    """

    def __init__(
        self,
        counts: Sequence[int],
        negatives: int = 1_024,
        alpha: float = 0.75,
        seed: int = 0,
        logits_dtype: str = "float32",
        form: FormName | Form = "auto",
        fixed_shape: bool | None = None,
        activation: Literal["softmax", "sigmoid"] | None = None,
        training_logits: bool = True,
        similarity: Name = "dot",
        temperature: float | Literal["learned"] | None = None,
        use_bias: bool = True,
        tied_to: TokenVectors | None = None,
        features: LabelFeatures | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.counts = np.asarray(counts, np.int64)
        if len(self.counts) < 2 or self.counts.min() < 0 or not self.counts.any():
            raise ValueError("SampledSoftmax needs the counts of at least two classes, none negative and not all 0")
        if negatives < 1:
            raise ValueError(f"negatives is {negatives}: a step draws at least 1 class")
        check_form(form)
        if activation not in (None, "softmax", "sigmoid"):
            raise ValueError(f"activation is {activation!r}: it must be None, 'softmax' or 'sigmoid'")
        if similarity not in DEFAULT_TEMPERATURE:
            raise ValueError(f"similarity is {similarity!r}: it must be 'dot' or 'cosine'")
        if temperature not in (None, "learned") and (isinstance(temperature, str) or not temperature > 0):
            raise ValueError(f"temperature is {temperature!r}: it must be a number above 0, 'learned' or None")
        self.negatives, self.alpha, self.seed = negatives, alpha, seed
        self.logits_dtype, self.form = logits_dtype, form
        self.fixed_shape = bool(tf.config.list_physical_devices("GPU")) if fixed_shape is None else fixed_shape
        self.activation, self.training_logits = activation, training_logits
        self.similarity, self.temperature, self.use_bias = similarity, temperature, use_bias
        # Functions, because Keras would count the weights of a layer in an attribute as weights of this layer. Not on
        # one line: AutoGraph finds the source of a function by its line and arguments.
        self._tokens = lambda: tied_to
        self._features = lambda: features
        if features is not None and tied_to is None:
            self.features = features
        self.bias = self.log_temperature = None
        self._frozen: tuple[tf.Variable, ...] | None = None
        self._int8: Int8Rows | None = None
        self.supports_masking = True
        # XLA does not support shapes that depend on the draws, and Keras uses XLA by default.
        supports_jit = fixed_shape is True and self.training_form.supports_jit and features is None
        self.supports_jit, self._asked_shape = supports_jit, fixed_shape
        # The state is [first number of the seed, number of training calls]. It is saved with the model.
        self.seed_generator = keras.random.SeedGenerator(_spread(seed))

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.counts)

    @property
    def log_frequencies(self) -> np.ndarray:
        """Log frequency of each class, (classes,). A class without occurrences counts as half an occurrence."""
        frequencies = np.maximum(self.counts, 0.5)
        return np.log(frequencies / frequencies.sum())

    @property
    def is_tied(self) -> bool:
        """True if the class vectors are token vectors, so that the layer has no table."""
        return self._tokens() is not None

    @property
    def label_features(self) -> LabelFeatures | None:
        """Layer that adds features of the classes to the class vectors and biases, or None."""
        return self._features()

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the proposal and the weights: table, (classes, width); bias, (classes,); log temperature, ().

        Args:
            input_shape: Shape of the hidden vectors, (..., width).
        """
        # `_weight` sets autocast=False, because mixed precision must not read the weights as bfloat16.
        tokens, width = self._tokens(), input_shape[-1]
        if tokens is None:
            normal = keras.initializers.RandomNormal(stddev=0.02, seed=self.seed)
            self.table = self._weight("table", (self.classes, width), normal)
        elif tokens.token_width != width:
            raise ValueError(
                f"the hidden vectors have width {width} and the token vectors, which are the class vectors, have width "
                f"{tokens.token_width}: they must be equal"
            )
        if self.use_bias:
            # An untrained model predicts the frequencies of the labels.
            self.bias = self._weight("bias", (self.classes,), _constant(self.log_frequencies))
        if self.temperature == "learned":
            # The logarithm keeps the factor positive, and lets an optimizer step change it by a relative amount.
            start = np.log(DEFAULT_TEMPERATURE[self.similarity])
            self.log_temperature = self._weight("log_temperature", (), _constant(start))
        features = self._features()
        if features is not None and not features.built:
            features.build()
        self.proposal = Proposal(self.counts, self.alpha, self.negatives)
        self.built = True

    def _weight(self, name: str, shape: tuple[int, ...], initializer: Any) -> keras.Variable:
        return self.add_weight(shape=shape, initializer=initializer, dtype="float32", autocast=False, name=name)

    def call(self, hidden: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Return the logits of all classes, or their probabilities with an `activation`.

        The result is large. `SampledCrossentropy` and `TopClasses` do not read it.

        Args:
            hidden: (..., width) float.
            training: True to advance the draws by one step, for `SampledCrossentropy`.

        Returns:
            (..., classes) float32.
        """
        rows = as_rows(hidden)
        if training and not self.training_logits:
            outputs = tf.fill([tf.shape(rows)[0], self.classes], float("nan"))
        else:
            vectors, bias = self.all_rows()
            outputs = tf.matmul(self.scaled(rows), vectors, transpose_b=True) + bias
            if self.activation is not None:
                outputs = keras.activations.get(self.activation)(outputs)
        return mark(like(hidden, outputs, self.classes), Forward(self, hidden, self._draw_seed() if training else None))

    def rows(self, classes: tf.Tensor, seed: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the vectors and the bias of some classes, without reading the rest of the table.

        Args:
            classes: (n,) integers.
            seed: (2,) int32 seed of the draws of `features` in training; None otherwise.

        Returns:
            (n, width) and (n,) float32. The vectors have length 1 if the similarity is the cosine.
        """
        if self._features() is not None:
            if self._frozen is not None:
                return tf.gather(self._frozen[0], classes), tf.gather(self._frozen[1], classes)
            return self._featured_rows(classes, seed)
        tokens = self._tokens()
        bias = tf.zeros(tf.shape(classes)) if self.bias is None else gather_rows(self.bias, classes)
        if self._int8 is not None:
            return self._int8.rows(classes), bias
        if self._frozen is not None:
            return tf.gather(self._frozen[0], classes), bias
        vectors = gather_rows(self.table, classes) if tokens is None else tokens.token_vectors(classes)
        return self._compared(vectors), bias

    def _featured_rows(self, classes: tf.Tensor, seed: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return `rows` of a layer with `features`."""
        features, tokens = self._features(), self._tokens()
        if tokens is None:
            vectors = features.vectors(gather_rows(self.table, classes), classes, seed)
        else:
            vectors = tokens.seeded_token_vectors(classes, seed)
        if self.bias is None:
            return self._compared(vectors), tf.zeros(tf.shape(classes))
        return self._compared(vectors), features.biases(gather_rows(self.bias, classes), classes, seed)

    def all_rows(self, seed: tf.Tensor | None = None) -> tuple[Any, tf.Tensor]:
        """Return the vectors, (classes, width), and the bias, (classes,), of all classes: see `rows`.

        After `to_int8`, the vectors are `Int8Rows`.
        """
        if self._features() is not None:
            if self._frozen is not None:
                return tf.convert_to_tensor(self._frozen[0]), tf.convert_to_tensor(self._frozen[1])
            return self._featured_rows(tf.range(self.classes), seed)
        bias = tf.zeros([self.classes]) if self.bias is None else self.bias.value
        if self._int8 is not None:
            return self._int8, bias
        if self._frozen is not None:
            return self._frozen[0], bias
        tokens = self._tokens()
        return self._compared(self.table.value if tokens is None else tokens.first_token_vectors(self.classes)), bias

    def freeze(self, grows: bool = False) -> None:
        """Compute the class vectors once, for a model whose training is finished.

        Otherwise each call of a layer that is tied, or has features or the cosine, computes the vectors of all classes.

        Args:
            grows: True if a graph over a layer with `features` must not depend on the number of classes, so that the
                class vectors and biases of an export can be replaced by more of them.
        """
        if self._features() is not None:
            vectors, bias = self.all_rows()
            first = None if grows else self.classes
            self._frozen = (
                tf.Variable(vectors, trainable=False, name="class_vectors", shape=[first, vectors.shape[1]]),
                tf.Variable(bias, trainable=False, name="class_biases", shape=[first]),
            )
        elif self.is_tied or self.similarity != "dot":
            self._frozen = (tf.Variable(self.all_rows()[0], trainable=False, name="class_vectors"),)

    def to_int8(self) -> Int8Rows:
        """Replace the class vectors of a frozen layer without `features` by int8 vectors, and return these."""
        self._int8 = Int8Rows.of(self.all_rows()[0])
        return self._int8

    @property
    def frozen(self) -> tuple[tf.Variable, ...] | None:
        """Class vectors and biases of a layer with `features` after `freeze`; None before it, and for other layers."""
        return self._frozen if self._features() is not None else None

    def unseen_rows(
        self, bags: dict[str, tuple[tf.Tensor, tf.Tensor]], numbers: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the vectors and biases of labels that training has never seen, from their features alone.

        Args:
            bags: Entries, (m,) integers, and their number for each label, (n,) integers, by name of the feature.
            numbers: (n, numbers) float32 standardized numbers.

        Returns:
            (n, width) and (n,) float32, as `rows` returns them.
        """
        vectors, bias = self._features().unseen(bags, numbers)
        tokens = self._tokens()
        if tokens is not None:
            vectors = tokens.as_token_vectors(vectors)
        return self._compared(vectors), tf.zeros(tf.shape(bias)) if self.bias is None else bias

    def _compared(self, vectors: tf.Tensor) -> tf.Tensor:
        return vectors if self.similarity == "dot" else unit(tf.convert_to_tensor(vectors))

    def scaled(self, hidden: tf.Tensor) -> tf.Tensor:
        """Return float32 hidden vectors whose dot products with `rows` are the logits without the bias."""
        hidden = tf.cast(hidden, tf.float32)
        if self.similarity == "cosine":
            hidden = unit(hidden)
        if self.log_temperature is not None:
            return hidden * tf.exp(self.log_temperature.value)
        temperature = self.temperature or DEFAULT_TEMPERATURE[self.similarity]
        return hidden if temperature == 1.0 else hidden * temperature

    def _draw_seed(self) -> tf.Tensor:
        """Return the seed of the next step, which is `step_seed(self.seed, n)` after n training calls."""
        state = self.seed_generator.next()
        return _replica_seed(tf.cast(state[0], tf.int32), state[1])

    def sweep(self, hidden: tf.Tensor, labels: tf.Tensor | None = None, k: int = 0) -> Sweep:
        """Measure labels and find the k most probable classes, with few logits held at a time: see `sweep.sweep`.

        Args:
            hidden: (batch, width) float.
            labels: (batch,) integers, -1 outside the vocabulary; None if neither nll nor rank is needed.
            k: Number of the most probable classes to find.
        """
        return sweep(self.scaled(hidden), *self.all_rows(), labels, k)

    def sweep_several(self, hidden: tf.Tensor, labels: Labels, loss: LossName = "softmax", k: int = 0) -> SeveralSweep:
        """Measure the labels of rows that may have several: see `losses.several_sweep`.

        Args:
            hidden: (batch, width) float.
            labels: Labels of the rows, in ascending order of the rows.
            loss: Loss of the training: "softmax" or "sigmoid".
            k: Number of the most probable classes to find.
        """
        return sweep_several(self.scaled(hidden), *self.all_rows(), labels, loss, k)

    def sampled_loss(self, hidden: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return the training loss of each row, (batch,) float32 nats; 0 for the label -1.

        Args:
            hidden: (batch, width) float.
            labels: (batch,) integers, -1 outside the vocabulary.
            seed: (2,) int32 seed of the draws, such as from `step_seed`.

        Raises:
            ValueError: A user-defined form returns losses of another shape or type.
        """
        labels, known = _classes(labels)
        form = self.training_form
        losses = form.losses(self._step(hidden, labels, known, seed))
        if losses.shape.rank not in (1, None) or losses.dtype != tf.float32:
            # `where` below would broadcast another shape.
            raise ValueError(
                f"{type(form).__name__}.losses() returned {losses.dtype.name} of shape {tuple(losses.shape)}: "
                "it must return one float32 number per row, (batch,)"
            )
        return tf.where(known, losses, 0.0)

    def sampled_loss_of_several(
        self, hidden: tf.Tensor, labels: Labels, seed: tf.Tensor, loss: LossName = "softmax"
    ) -> tf.Tensor:
        """Return the training loss of each row that may have several labels: see `losses.several_labels`.

        Args:
            hidden: (batch, width) float.
            labels: Labels of the rows, such as `Labels.of` a ragged tensor.
            seed: (2,) int32 seed of the draws, such as from `step_seed`.
            loss: "softmax" or "sigmoid".

        Returns:
            (batch,) float32 nats; 0 for a row without labels.

        Raises:
            NotImplementedError: A user-defined form has only a loss for one label per row.
        """
        step = self._step(hidden, labels.classes, tf.ones_like(labels.classes, tf.bool), seed)
        return self.training_form.losses_of_several(step, labels, loss)

    def _step(self, hidden: tf.Tensor, labels: tf.Tensor, known: tf.Tensor, seed: tf.Tensor) -> Step:
        rows, all_rows, hidden = self.rows, self.all_rows, self.scaled(hidden)
        if self._features() is not None:
            rows, all_rows = functools.partial(rows, seed=seed), functools.partial(all_rows, seed)
        return Step(hidden, labels, known, seed, rows, all_rows, self.proposal, self.logits_dtype, self.fixed_shape)

    def exact_loss_of_several(self, hidden: tf.Tensor, labels: Labels, loss: LossName = "softmax") -> tf.Tensor:
        """Return the loss of each row that may have several labels, over all classes, (batch,) float32 nats.

        Args:
            hidden: (batch, width) float.
            labels: Labels of the rows.
            loss: "softmax" or "sigmoid".
        """
        return several.full_loss(self.scaled(hidden), *self.all_rows(), labels, loss)

    def exact_loss(self, hidden: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Return the cross entropy of each row over all classes, (batch,) float32 nats; 0 for the label -1.

        Args:
            hidden: (batch, width) float.
            labels: (batch,) integers, -1 outside the vocabulary.
        """
        labels, known = _classes(labels)
        return tf.where(known, full_loss(self.scaled(hidden), *self.all_rows(), labels), 0.0)

    @property
    def training_form(self) -> Form:
        """Form of the loss in training."""
        return form_of(self.form, self.classes, self.negatives)

    def save_own_variables(self, store: Any) -> None:
        """Write the weights to a Keras file, and the state of the draws, which Keras does not write."""
        super().save_own_variables(store)
        store[_DRAWS] = self.seed_generator.state

    def load_own_variables(self, store: Any) -> None:
        """Read the variables that `save_own_variables` wrote."""
        if _DRAWS in store.keys():  # noqa: SIM118 - Keras stores are not mappings.
            self.seed_generator.state.assign(store[_DRAWS])
            store = {name: store[name] for name in store.keys() if name != _DRAWS}  # noqa: SIM118
        super().load_own_variables(store)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer, with a user-defined form serialized.

        Raises:
            NotImplementedError: The layer is tied to the token vectors of another layer, or has features.
        """
        if self.is_tied or self._features() is not None:
            name = "tied_to" if self.is_tied else "features"
            raise NotImplementedError(f"a SampledSoftmax with {name} cannot be saved without the model it belongs to")
        return {
            **super().get_config(),
            "counts": self.counts.tolist(),
            "negatives": self.negatives,
            "alpha": self.alpha,
            "seed": self.seed,
            "logits_dtype": self.logits_dtype,
            "form": keras.saving.serialize_keras_object(self.form) if isinstance(self.form, Form) else self.form,
            "fixed_shape": self._asked_shape,
            "activation": self.activation,
            "training_logits": self.training_logits,
            "similarity": self.similarity,
            "temperature": self.temperature,
            "use_bias": self.use_bias,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Create the layer from `get_config`, with its form deserialized."""
        if isinstance(form := config.get("form"), dict):
            config = {**config, "form": keras.saving.deserialize_keras_object(form)}
        return super().from_config(config)


def _constant(values: Any) -> Any:
    """Return the initializer of fixed values."""
    return lambda shape, dtype=None: tf.constant(values, dtype=dtype, shape=shape)


def _classes(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return int32 labels with 0 in place of -1, and a mask of the labels inside the vocabulary."""
    labels = tf.cast(labels, tf.int32)
    return tf.maximum(labels, 0), labels >= 0
