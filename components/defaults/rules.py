"""Rules that choose the values of unset keys from what is known about the data.

A key that the configuration sets is never changed. A group of values is chosen only if all of them fit the set keys.

Items or words. The tokens of a column are items, such as products, pages or songs, if all of this holds:

    - the tokenizer is `none`, so that a value is a token;
    - the ten most frequent tokens make up less than a tenth of all tokens. In English text ten words make up a quarter
      or more; in a catalog of thousands of items no ten items come near a tenth;
    - the labels are tokens of the same kind: those of a sequence are; those of labelled rows are if most of the
      frequent labels are frequent input tokens too.

Predictable items. If the followers of the latest item predict the next one clearly better than popularity does, with
1.2 times as many hits, ONE table serves inputs and classes, and the cosine ignores how frequent an item is: each item
has few examples, and its occurrences in the inputs teach its class vector too. The encoder is `session`.

Other items in sequences, whose frequency says more than the item before, as in the baskets of a grocery: the order says
little, and the whole row says more. An LSTM over whole rows, with ONE table for inputs and classes and the dot product,
is better than windows, and trains at three times their speed.

Words, and labelled rows of other items: two tables and the dot product are better. These are the defaults of the keys
themselves.

Counts. The next token of a sequence, and an item of labelled rows that the latest item predicts, are predicted by a
mixture of the model and counts of n-grams, so that the model is not worse than counting. For items that the latest item
does not predict, the counts include the pairs of items within ten places, whatever their order. Labelled rows of other
kinds, such as texts with a topic, have no mixture: the last word of a text says little about its topic. Nor has a loss
of the user's own, whose value need not be a log probability.

Several labels per row. With few rows, the default batch gives too few steps: a batch has at most a hundredth of the
rows, but at least 128. On the tags of 21,000 paragraphs of speeches (`docs/how-to/tags.md`), a batch of 128 reaches
perplexity 15.6 on the eval split, and one of 1,024, with 20 steps an epoch, 18.4. On baskets of 14,000 grocery
customers, both are about equal (3,291 and 3,220).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.choices import Choices, merged
from components.defaults.facts import Facts
from components.extensions import is_path
from components.ingest.spec import DataSpec
from components.training.spec import TrainerSpec

_LEAST_BATCH, _BATCHES = 128, 100
"""Smallest chosen batch, and least number of batches of an epoch, for rows with several labels."""
_TOP_SHARE = 0.1
_SHARED_LABELS = 0.5
_BIGRAM_GAIN = 1.2

_PRESENT: dict[str, Any] = {
    "head": {"similarity": "dot", "negatives": 1, "mixture": None},
    "learning_rate": 1.0,
    "batch": 1,
}
"""Keys whose presence alone counts for the choice."""
_Group = tuple[str, dict[str, Any], dict[str, Any]]
"""Values that belong together: their name, keys under `trainer`, and keys under `vocabulary`."""
_CACHED_ITEMS = 50
"""Items of a row that the cache reads. Rows of items are shorter than texts, and a cache of 200 takes a tenth more
time."""
_NGRAMS = {"kind": "ngrams", "cache": _CACHED_ITEMS}
_COUNTS: _Group = ("a mixture with counts of n-grams", {"head": {"mixture": "ngrams"}}, {})
_COUNTS_OF_ITEMS: _Group = (_COUNTS[0], {"head": {"mixture": _NGRAMS}}, {})
_PAIRS: _Group = ("a mixture with counts of n-grams and pairs", {"head": {"mixture": {**_NGRAMS, "pairs": 10}}}, {})
_TIED: _Group = ("one table for inputs and classes", {"model": {"tie": True}}, {"shared": True})
_NEGATIVES: _Group = ("2,048 negatives", {"head": {"negatives": 2_048}}, {})
_ITEMS: tuple[_Group, ...] = (
    ("the session encoder", {"model": {"kind": "session"}}, {}),
    _TIED,
    ("cosine similarity", {"head": {"similarity": "cosine"}}, {}),
    _NEGATIVES,
    ("learning rate 0.002", {"learning_rate": 2e-3}, {}),
    _COUNTS_OF_ITEMS,
)
"""Values for predictable items."""
_LSTM = {
    "kind": "recurrent",
    "cell": "lstm",
    "context": 128,
    "embedding": 200,
    "projection": 200,
    "units": 200,
    "dropout": 0.3,
}
_OTHER_ITEMS: tuple[_Group, ...] = (
    ("an LSTM over whole rows", {"model": _LSTM, "batch": 4_096}, {}),
    _TIED,
    _NEGATIVES,
    _PAIRS,
)
"""Values for items in sequences that the item before does not predict."""


def are_items(facts: Facts, data: DataSpec) -> bool:
    """Return True if the tokens are items and not words: see the module."""
    return (
        data.label_kind == "class"
        and data.tokenizer == "none"
        and facts.tokens > 0
        and facts.top_share < _TOP_SHARE
        and facts.shared_labels > _SHARED_LABELS
    )


def keys_read(
    data: DataSpec, trainer: Mapping[str, Any], vocabulary: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the set keys that `choose` reads, with a fixed value where only their presence counts.

    A change of any other key leaves the node Defaults, and with it Transform, in the cache.

    Args:
        data: Meaning of the columns.
        trainer: Keys that the configuration sets under `trainer`.
        vocabulary: Keys that the configuration sets under `vocabulary`.
    """
    if data.label_kind != "class":
        return ({"batch": _PRESENT["batch"]} if data.several_labels and "batch" in trainer else {}), {}
    head = {key: value for key, value in _PRESENT["head"].items() if key in trainer.get("head", {})}
    if is_path(trainer.get("head", {}).get("form")):
        head["mixture"] = None
    if data.tokenizer != "none":  # The rules for words choose nothing else.
        return ({"head": {"mixture": None}} if "mixture" in head else {}), {}
    rate = {key: _PRESENT[key] for key in ("learning_rate", "batch") if key in trainer}
    model = {"model": dict(trainer["model"])} if trainer.get("model") else {}
    shared = {"shared": vocabulary["shared"]} if "shared" in vocabulary else {}
    return {**model, **({"head": head} if head else {}), **rate}, shared


def choose(facts: Facts, data: DataSpec, trainer: Mapping[str, Any], vocabulary: Mapping[str, Any]) -> Choices:
    """Choose the values of unset keys.

    Args:
        facts: Statistics of the train split.
        data: Meaning of the columns.
        trainer: Keys that the configuration sets under `trainer`.
        vocabulary: Keys that the configuration sets under `vocabulary`.
    """
    trainer, vocabulary = keys_read(data, trainer, vocabulary)
    if data.label_kind != "class":
        batch = _batch(facts.rows)
        if data.several_labels and batch < TrainerSpec().batch and "batch" not in trainer:
            return Choices({"batch": batch}, {}, f"batch {batch} for {facts.rows:,} rows with several labels")
        return Choices({}, {}, "nothing to choose")
    items = are_items(facts, data)
    if items and facts.bigram_gain >= _BIGRAM_GAIN:
        return _chosen(_ITEMS, trainer, vocabulary, f"for predictable items: {_gain(facts)}{_share(facts)}")
    groups = () if data.shape != "sequence" else _OTHER_ITEMS if items else (_COUNTS,)
    share = _share(facts) if data.tokenizer == "none" else ""
    return _chosen(groups, trainer, vocabulary, f"for items: {_gain(facts)}" if items else f"for words{share}")


def _batch(rows: int) -> int:
    """Return the greatest power of two that is at most a hundredth of the rows, but at least `_LEAST_BATCH`."""
    return max(_LEAST_BATCH, 1 << max(0, (rows // _BATCHES).bit_length() - 1))


def _chosen(
    groups: Sequence[_Group], trainer: Mapping[str, Any], vocabulary: Mapping[str, Any], reason: str
) -> Choices:
    """Choose the groups of values that fit the set keys."""
    chosen: dict[str, Any] = {}
    chosen_vocabulary: dict[str, Any] = {}
    names = []
    for name, of_trainer, of_vocabulary in groups:
        # Whoever names an encoder knows its form.
        if of_vocabulary and "kind" in trainer.get("model", {}):
            continue
        if _is_set(of_trainer, trainer) or any(
            vocabulary.get(key, value) != value for key, value in of_vocabulary.items()
        ):
            continue
        attempt = merged(chosen, of_trainer)
        if _fits(merged(attempt, trainer)):
            chosen, names = attempt, [*names, name]
            chosen_vocabulary |= {key: value for key, value in of_vocabulary.items() if key not in vocabulary}
    return Choices(chosen, chosen_vocabulary, f"{', '.join(names) or 'the defaults'} {reason}")


def _gain(facts: Facts) -> str:
    return f"the item before predicts the next {facts.bigram_gain:.1f} times as well as popularity"


def _share(facts: Facts) -> str:
    return f" (the 10 most frequent make up {facts.top_share:.1%} of {facts.tokens:,} tokens)"


def _is_set(chosen: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    """Return True if one of the chosen keys is set by the configuration."""
    for name, value in chosen.items():
        if name in keys and not (isinstance(value, Mapping) and isinstance(keys[name], Mapping)):
            return True
        if name in keys and _is_set(value, keys[name]):
            return True
    return False


def _fits(trainer: Mapping[str, Any]) -> bool:
    try:
        TrainerSpec.model_validate(trainer)
    except ValueError:
        return False
    return True
