"""Base class of the encoders, which adds the features and a hidden layer, and helpers for stateless random draws."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import tensorflow as tf

from components.layers.encoders.token_features import TokenFeatures
from components.layers.optimization.gradients import gather_rows
from components.names import name_of, short

if TYPE_CHECKING:  # The layers must work without pydantic.
    from components.layers.encoders.spec import EncoderSpec
    from components.layers.label_features.layer import LabelFeatures


def uniform(seed: int) -> keras.initializers.Initializer:
    """Return the initializer of embeddings."""
    return keras.initializers.RandomUniform(-0.05, 0.05, seed=seed)


def glorot(seed: int) -> keras.initializers.Initializer:
    """Return the initializer of matrices."""
    return keras.initializers.GlorotUniform(seed=seed)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed `random` within a context, because Keras draws from it the seeds of layers without a seed."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def dropped(values: tf.Tensor, rate: float, seed: tf.Tensor | None, number: int) -> tf.Tensor:
    """Apply stateless dropout.

    Args:
        values: Tensor of any shape.
        rate: Share of the values to drop.
        seed: (2,) int32. None: nothing is dropped.
        number: Number of the draw, different for each draw with the same seed.
    """
    if seed is None or rate == 0.0:
        return values
    return tf.nn.experimental.stateless_dropout(values, rate, tf.random.experimental.stateless_fold_in(seed, number))


def lookup(layer: keras.layers.Embedding, ids: tf.Tensor) -> tf.Tensor:
    """Return the embeddings of ids without reading the whole table, which a call of the layer would read.

    Args:
        layer: Built embedding.
        ids: Integers of any shape.
    """
    return gather_rows(layer.embeddings, ids)


def stateless(layer: keras.layers.Layer, inputs: Any, seed: tf.Tensor | None) -> Any:
    """Call a Keras layer so that its random draws, such as those of dropout, follow from `seed` alone.

    Keras keeps the state of its generators in variables, which a replica cannot change. Here each generator gets a
    state for this one call.

    Args:
        layer: Built layer.
        inputs: Inputs of the layer.
        seed: (2,) int32 in training; None otherwise.
    """
    if seed is None:
        return layer(inputs, training=False)
    weights = {id(v) for v in layer.weights}
    states = [v for v in layer.variables if id(v) not in weights]
    drawn = [(v, tf.cast(tf.random.experimental.stateless_fold_in(seed, i), v.dtype)) for i, v in enumerate(states)]
    with keras.StatelessScope(state_mapping=drawn):
        return layer(inputs, training=True)


class Encoder(keras.layers.Layer):
    """Layer that maps K input ids and the features of a row to one vector.

    A subclass computes a vector from the ids. The features are concatenated to this vector. Unless `hidden` is 0, a
    hidden layer follows:

        x = [ids' vector, numbers, categories]
        h = norm(act(x U + c))                or, gated: norm((x U + c) * sigmoid(x V + d))

    Sources: Dauphin et al., "Language Modeling with Gated Convolutional Networks" (2017), for the gate; Ba et al.,
    "Layer Normalization" (2016), for norm.

    Call the encoder as `encoder(inputs, dropout_seed=None)` with `input_ids`, (batch, K), the features, (batch,) each,
    and the token features, (batch, K) each. The result is (batch, width) float32. In training, `dropout_seed` is a (2,)
    int32 seed. `build` creates all variables.

    A subclass that supports token features computes its vector from `embedded`, which joins the embedding of each id
    with the features of its token, and sets `token_features` in its specification.

    Args:
        ids: Number of input ids, including the padding id, which is the last id.
        embedding: Width of the table of the ids.
        numbers: Names of the number features.
        categories: Names of the category features, each with its number of ids.
        feature_embedding: Width of the embedding of each category feature.
        hidden: Width of h. 0: the vector is x.
        activation: Name of a Keras activation, such as "linear", or "glu" for the gate.
        normalize: True to apply the norm.
        dropout: Share of the hidden values to drop in training.
        seed: Seed of the weights.
        token_numbers: Names of the number features of the tokens.
        token_categories: Names of the category features of the tokens, each with its number of ids.

    An encoder whose specification sets `causal` also implements `states`. Such an encoder processes a row once, and
    `encode` returns the vectors at any position of the row.

    Attributes:
        embedding: Layer with the table of the ids.
        categories: Layers with the tables of the category features, by name.
        of_tokens: Layer with the features of the tokens; None without token features.
        label_features: Layer that adds features of the tokens to their embeddings, or None. Set it before `build`.
    """

    label_features: LabelFeatures | None = None
    Spec: ClassVar[type[EncoderSpec] | None] = None
    """Keys of a user-defined encoder under `trainer.model`."""

    def __init__(
        self,
        *,
        ids: int,
        embedding: int,
        numbers: tuple[str, ...],
        categories: dict[str, int],
        feature_embedding: int,
        hidden: int,
        activation: str = "glu",
        normalize: bool = True,
        dropout: float = 0.0,
        seed: int = 0,
        token_numbers: tuple[str, ...] = (),
        token_categories: dict[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._config: dict[str, Any] = {
            "ids": ids, "embedding": embedding, "numbers": tuple(numbers), "categories": dict(categories),
            "feature_embedding": feature_embedding, "hidden": hidden, "activation": activation,
            "normalize": normalize, "dropout": dropout, "seed": seed,
            "token_numbers": tuple(token_numbers), "token_categories": dict(token_categories or {}),
        }  # fmt: skip
        self.of_tokens: TokenFeatures | None = None
        if token_numbers or token_categories:
            self.of_tokens = TokenFeatures(
                token_numbers, token_categories or {}, feature_embedding, seed + 1_000, name="of_tokens"
            )

    @property
    def width(self) -> int:
        """Width of the vectors, known after `build`."""
        return self._config["hidden"] or self._joined_width

    @property
    def padding(self) -> int:
        """Id of the positions before the first token, which is the last id."""
        return self._config["ids"] - 1

    @property
    def token_features(self) -> tuple[str, ...]:
        """Names of the features of the tokens."""
        return () if self.of_tokens is None else self.of_tokens.names

    @property
    def token_features_width(self) -> int:
        """Width of the features of one token; 0 without token features."""
        return 0 if self.of_tokens is None else self.of_tokens.width

    @property
    def token_categories(self) -> dict[str, keras.layers.Embedding]:
        """Layers with the tables of the category features of the tokens, by name."""
        return {} if self.of_tokens is None else self.of_tokens.categories

    @property
    def embedded_width(self) -> int:
        """Width of the vectors of `embedded`."""
        return self._config["embedding"] + self.token_features_width

    @property
    def token_width(self) -> int:
        """Width of the vectors of `token_vectors`."""
        return self._config["embedding"]

    def embeddings(self, ids: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the embeddings of ids, with the features of these tokens if the encoder has `label_features`.

        Args:
            ids: Integers of any shape.
            seed: (2,) int32 in training; None otherwise.

        Returns:
            Rows of the width of the embedding, with the shape of `ids` before it.
        """
        if self.label_features is None:
            return lookup(self.embedding, ids)
        return self.label_features.vectors_of(self.embedding.embeddings, ids, seed)

    def token_vectors(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the vectors of input ids that a tied output layer uses: by default, the embeddings.

        Args:
            ids: (n,) integers.

        Returns:
            (n, token_width) float32.
        """
        return self.seeded_token_vectors(ids, None)

    def seeded_token_vectors(self, ids: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """Return `token_vectors` in training, with the draws of the own dropout of `label_features`.

        Args:
            ids: (n,) integers.
            seed: (2,) int32 in training; None otherwise.
        """
        return self.as_token_vectors(self.embeddings(ids, seed))

    def as_token_vectors(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Return the (..., token_width) token vectors of (..., embedding) embeddings: by default, the same."""
        return embeddings

    def first_token_vectors(self, count: int) -> tf.Tensor:
        """Return `token_vectors` of the ids 0 to count - 1, (count, token_width) float32."""
        if self.label_features is not None:
            return self.embeddings(tf.range(count))
        return self.embedding.embeddings.value[:count]

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """Trained weights that all inputs share, without the tables that have a row for each id."""
        return []

    @property
    def id_tables(self) -> list[keras.Variable]:
        """Trained weights with a row for each id."""
        return [self.embedding.embeddings]

    @property
    def lookup_weights(self) -> list[keras.Variable]:
        """Weights that `name_ids` and `adapt` set and that training does not change."""
        return []

    @property
    def own_tables(self) -> dict[str, keras.Variable]:
        """Trained weights with a row for each entry of a vocabulary of the encoder, by name of the vocabulary."""
        return {}

    @property
    def own_vocabularies(self) -> dict[str, list[str]]:
        """Entries of the vocabularies of `own_tables`, in the order of the rows."""
        return {}

    def states(
        self,
        ids: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        token_features: Mapping[str, tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Return the vector of the ids after each position of each row, without the features: (rows, L, n) float32.

        The vector at a position depends only on the ids up to this position. It equals the vector that `call` computes
        from these ids. Only causal encoders implement this method.

        Args:
            ids: (rows, L) int32, padded on the right, with L at most the context length.
            dropout_seed: (2,) int32 in training; None otherwise.
            token_features: (rows, L) values by name, for `embedded`. Only passed to an encoder with token features.
        """
        raise NotImplementedError(f"{type(self).__name__} is not causal: it has no states()")

    def encode(
        self, inputs: dict[str, tf.Tensor], places: tf.Tensor, dropout_seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Return the vector of a causal encoder at some positions of whole rows: (n, width) float32.

        Args:
            inputs: `input_ids` (rows, L), padded on the right, the token features, (rows, L) each, and the features,
                (rows,) each.
            places: (n, 2) integers: the row, and the position of the last id that the vector may depend on. At a
                position with padding, the vector of the ids is 0.
            dropout_seed: (2,) int32 in training; None otherwise.
        """
        ids, rows = tf.cast(inputs["input_ids"], tf.int32), places[:, 0]
        # Encoders without token features need not know this argument.
        of_tokens = {"token_features": {n: inputs[n] for n in self.token_features}} if self.token_features else {}
        values = tf.gather_nd(self.states(ids, dropout_seed, **of_tokens), places)
        present = tf.gather_nd(ids, places) != self.padding
        values = tf.where(present[:, tf.newaxis], values, 0.0)
        features = {name: tf.gather(inputs[name], rows) for name in (*self._config["numbers"], *self.categories)}
        return self.join(values, features, dropout_seed)

    def embedded(self, ids: tf.Tensor, inputs: Mapping[str, tf.Tensor], seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the `embeddings` of ids, each joined with its token features: (..., embedded_width) float32.

        Args:
            ids: Integers of any shape.
            inputs: Token features by name, each of the same shape.
            seed: (2,) int32 in training; None otherwise.
        """
        return self.with_token_features(self.embeddings(ids, seed), inputs)

    def with_token_features(self, vectors: tf.Tensor, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return vectors of tokens, (..., n), joined with the features of the tokens: (..., n + w) float32."""
        if self.of_tokens is None:
            return vectors
        return tf.concat([vectors, self.of_tokens({name: inputs[name] for name in self.token_features})], axis=-1)

    def name_ids(self, tokens: Sequence[str]) -> None:
        """Set the tokens of the first ids. The ids of out-of-vocabulary buckets and of padding follow them.

        Args:
            tokens: Tokens in the order of their ids.
        """

    def adapt(self, windows: Callable[[int], Iterable[tf.Tensor]]) -> None:
        """Read the train split once, after `name_ids`.

        Args:
            windows: Function that takes a length n and yields (any, n) batches with the last n ids of each window.
        """

    def add_layers(self) -> None:
        """Create the embeddings, the hidden layer and the norm, without their variables."""
        config, seed = self._config, self._config["seed"]
        self.embedding = keras.layers.Embedding(config["ids"], config["embedding"], uniform(seed + 1), name="embedding")
        self.categories = {
            name: keras.layers.Embedding(
                size, config["feature_embedding"], uniform(seed + 10 + i), name=f"category_{short(name_of(name))}"
            )
            for i, (name, size) in enumerate(config["categories"].items())
        }
        hidden, gated = config["hidden"], config["activation"] == "glu"
        self.hidden = self.norm = None
        if hidden:
            self.hidden = keras.layers.Dense(
                # Half of the units of a gated layer are the gates, so one matrix product computes both.
                2 * hidden if gated else hidden,
                None if gated else config["activation"],
                kernel_initializer=glorot(seed + 3),
                name="hidden",
            )
            if config["normalize"]:
                self.norm = keras.layers.LayerNormalization(epsilon=1e-3, name="norm")

    def build_join(self, width: int) -> None:
        """Create the variables of the embeddings of all features, the hidden layer and the norm.

        Args:
            width: Width of the vector of the ids.
        """
        for layer in self.categories.values():
            layer.build((None,))
        if self.of_tokens is not None:
            self.of_tokens.build()
        of_features = len(self._config["numbers"]) + len(self.categories) * self._config["feature_embedding"]
        self._joined_width = width + of_features
        if self.hidden is not None:
            self.hidden.build((None, self._joined_width))
        if self.norm is not None:
            self.norm.build((None, self.width))

    def join(
        self,
        values: tf.Tensor,
        inputs: dict[str, tf.Tensor],
        dropout_seed: tf.Tensor | None,
        added: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Return the (batch, width) float32 output for vectors of the ids and features. Its dropout is draw number 1.

        Args:
            values: (batch, n) vectors of the ids.
            inputs: Batch with the features.
            dropout_seed: (2,) int32 in training; None otherwise.
            added: (batch, width) vectors to add to the hidden layer before its norm.
        """
        dropout = self._config["dropout"]
        parts = [values]
        parts += [tf.cast(inputs[name], values.dtype)[:, tf.newaxis] for name in self._config["numbers"]]
        parts += [lookup(layer, tf.cast(inputs[name], tf.int32)) for name, layer in self.categories.items()]
        joined = tf.concat(parts, axis=1)
        if self.hidden is None:
            return dropped(joined, dropout, dropout_seed, 1)
        hidden = self.hidden(joined)
        if self._config["activation"] == "glu":
            value, gate = tf.split(hidden, 2, axis=1)
            hidden = value * tf.sigmoid(gate)
        hidden = dropped(hidden, dropout, dropout_seed, 1)
        if added is not None:
            hidden += added
        return hidden if self.norm is None else self.norm(hidden)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the encoder and of the Keras layer."""
        return {**super().get_config(), **self._config}
