"""Keras layers, losses, optimizers and a schedule for models with many classes. They need only TensorFlow and Keras.

SampledSoftmax        last layer of a model: trains on a sample of the classes, predicts over all classes
SampledCrossentropy   its loss in `compile`
RowAdam, FusedAdam    Adam on the rows that have a gradient in a step, and exact Adam in one pass
WarmupCosine          learning rate over the steps
FrequentNgrams        one vector for each of the most frequent n-grams
step_seed             seed of `SampledSoftmax.sampled_loss`, for a training step of your own
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bigvocab import _names

if TYPE_CHECKING:
    from components.layers.crossentropy import SampledCrossentropy as SampledCrossentropy
    from components.layers.encoders.shared_projection.ngrams import FrequentNgrams as FrequentNgrams
    from components.layers.head import SampledSoftmax as SampledSoftmax
    from components.layers.head import step_seed as step_seed
    from components.layers.optimization.optimizers import FusedAdam as FusedAdam
    from components.layers.optimization.optimizers import RowAdam as RowAdam
    from components.layers.optimization.schedule import WarmupCosine as WarmupCosine
    from components.layers.top import TopClasses as TopClasses

__all__ = [
    "FrequentNgrams",
    "FusedAdam",
    "RowAdam",
    "SampledCrossentropy",
    "SampledSoftmax",
    "TopClasses",
    "WarmupCosine",
    "step_seed",
]

_PLACES = {
    "FrequentNgrams": "components.layers.encoders.shared_projection.ngrams:FrequentNgrams",
    "FusedAdam": "components.layers.optimization.optimizers:FusedAdam",
    "RowAdam": "components.layers.optimization.optimizers:RowAdam",
    "SampledCrossentropy": "components.layers.crossentropy:SampledCrossentropy",
    "SampledSoftmax": "components.layers.head:SampledSoftmax",
    "TopClasses": "components.layers.top:TopClasses",
    "WarmupCosine": "components.layers.optimization.schedule:WarmupCosine",
    "step_seed": "components.layers.head:step_seed",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        _names.check_backend()
    value = _names.find(__name__, name, _PLACES)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
