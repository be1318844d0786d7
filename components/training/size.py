"""Estimates of the sizes of checkpoints and exports, from the configuration alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.extensions import is_path
from components.layers.mixture.spec import NgramMixtureSpec
from components.node import Space, Specs

if TYPE_CHECKING:
    from components.ingest.extent import Extent

_FLOAT = 4
_SAVES = 3
"""Checkpoints on the disk at a time: two that are kept, and the next one until it is complete."""
_COPIES = 4
"""Values of a checkpoint for each weight: the weight, its best value, and Adam's two moments."""
_GRAPH = 2 << 20
"""Size of the graph of an export."""
_NGRAM, _DISTINCT = 20, 0.5
"""Bytes of an n-gram in the mixture, and distinct n-grams of one length for each token."""


def training_space(specs: Specs, extent: Extent) -> Space:
    """Return the space of a training: its checkpoints, the export, and the weights for a warm start."""
    checkpoint = resident_size(specs, extent)
    # A warm start needs the weights and their moments, and the constants.
    kept = export_size(specs, extent) + 3 * _weights(specs, extent) + _constants(specs, extent)
    # Two checkpoints stay until the export is complete.
    most = max(_SAVES * checkpoint, (_SAVES - 1) * checkpoint + kept)
    return Space(kept, most - kept, sure=_is_known(specs))


def resident_size(specs: Specs, extent: Extent) -> int:
    """Return the memory of a training for its weights, their best values and the moments, in bytes."""
    return _COPIES * _weights(specs, extent)


def export_size(specs: Specs, extent: Extent) -> int:
    """Return the size of an exported model in bytes."""
    return _weights(specs, extent) + _constants(specs, extent) + _GRAPH


def _weights(specs: Specs, extent: Extent) -> int:
    """Return the size of the weights in bytes."""
    model, vocabulary = specs.trainer.model, specs.vocabulary
    weights = model.number_of_weights(extent.distinct(vocabulary.input_size) + 1)
    if specs.data.label_kind != "number" and not model.tie:
        weights += extent.distinct(vocabulary.labels) * (model.output_width + 1)
    return _FLOAT * weights


def _constants(specs: Specs, extent: Extent) -> int:
    """Return the size of the counts of n-grams, and of the constants of the encoder, in bytes."""
    sequences, head = specs.data.shape == "sequence", specs.trainer.head
    chosen = NgramMixtureSpec() if sequences and specs.data.label_kind == "class" else None
    mixture = head.mixture if "mixture" in head.model_fields_set else chosen
    constants = specs.trainer.model.constant_bytes
    if mixture is None:
        return constants
    tables = mixture.longest(sequences) - 1 + bool(mixture.pairs)
    return constants + tables * _NGRAM * min(mixture.max_ngrams, int(_DISTINCT * extent.tokens))


def _is_known(specs: Specs) -> bool:
    """Return True if the configuration determines the encoder, and its number of weights is known."""
    chosen_from_data = "model" not in specs.trainer.model_fields_set and specs.data.tokenizer == "none"
    return not chosen_from_data and not is_path(specs.trainer.model.kind)
