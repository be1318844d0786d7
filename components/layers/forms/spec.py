"""Configuration of the output layer: keys of the built-in forms of the loss and of user-defined forms."""

from __future__ import annotations

import inspect
from typing import Annotated, Literal, get_args

from pydantic import Field

from components.extensions import Kinds, resolve_class, resolve_spec, source_modules
from components.layers.forms.names import FormName
from components.layers.losses.names import LossName
from components.layers.mixture.spec import Mixture
from components.spec import Spec


class HeadSpec(Spec):
    """Output layer over the classes of the label, and its training loss.

    All forms have these keys. For a form of your own with more keys, derive its specification from this class.
    """

    form: str
    """Path of a form of your own, as `package.module:Name`."""
    negatives: int = Field(default=1_024, ge=1)
    """S: number of negative samples drawn from the proposal distribution per step, shared by all rows of the batch."""
    alpha: float = Field(default=0.75, ge=0, le=1)
    """Exponent of the proposal distribution: a class is drawn in proportion to count ** alpha. 0 draws all classes
    equally often; 1 draws them as often as they occur."""
    logits_dtype: Literal["float32", "bfloat16"] = "float32"
    """Data type of the large matrix products in the training loss."""
    loss: LossName = "softmax"
    """Loss of rows that may have several labels (`data.label_kind: classes`). `softmax`: the probabilities of all
    classes sum to 1, and each label of a row is an equal share of them. `sigmoid`: each class has a probability of its
    own. With one label per row: `softmax`."""
    repeats: bool = False
    """With `data.baskets`: add a learned bonus to the classes in the row's own history, such as products that a
    customer buys again. The loss is then computed over all classes, whatever `negatives` and `form`, so the time of a
    step grows with the number of classes."""
    mixture: Mixture = None
    """Mixture of the label's softmax with other estimates. `ngrams`: with n-gram counts of the train split and a
    learned gate, for both windows and whole rows. `none`: only the softmax."""
    similarity: Literal["dot", "cosine"] = "dot"
    """Similarity of the hidden vector and a class vector. `cosine` ignores the lengths of both vectors, which helps
    classes with few examples each, such as items of a shop; `dot` is better for words."""
    temperature: Annotated[float, Field(gt=0)] | Literal["learned"] | None = None
    """Factor of the similarity before the softmax. `learned`: a weight of the model. None: 1 for `dot`, 12 for
    `cosine`; these are also the initial values of `learned`."""
    bias: bool = True
    """Add a bias for each class."""

    @property
    def source_modules(self) -> tuple[str, ...]:
        """User modules that implement the form."""
        return source_modules(self.form)


class BuiltInHeadSpec(HeadSpec):
    """Output layer over the classes of the label, and its training loss."""

    form: FormName = "auto"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Classes in the loss of a row. `own`: the row's own label and the negative samples. `shared`: all labels of the
    batch and the negative samples. `full`: all classes. `auto`: `own`, which was the fastest in measurements. If
    `negatives` is at least the number of classes, every choice is `full`. Or `package.module:Name`: a form of your
    own."""


def _spec_at(path: str) -> type[HeadSpec]:
    """Return the specification of a user-defined form."""
    from components.layers.forms.base import Form

    form, spec = resolve_class(path, Form), resolve_spec(path, Form, HeadSpec, default=HeadSpec)
    try:  # Checked here, because the Trainer would fail only long after its start.
        inspect.signature(form).bind(**dict.fromkeys(spec.model_fields.keys() - HeadSpec.model_fields.keys()))
    except TypeError as error:
        raise ValueError(f"{path.partition(':')[2]} does not take the keys of its Spec: {error}") from error
    return spec


AnyHead = Annotated[
    HeadSpec, Kinds(HeadSpec, dict.fromkeys(get_args(FormName), BuiltInHeadSpec), _spec_at, default="auto", tag="form")
]
"""Type of an output layer in a configuration: a built-in form of the loss, or a user-defined form by its path."""
