"""Baskets: consecutive tokens of a row that belong together, such as the products of one purchase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # The data specification checks its baskets.
    from components.ingest.spec import DataSpec


def basket_bounds(values: Sequence[Any]) -> list[int]:
    """Return the position of the first token of each basket, followed by the number of tokens.

    Args:
        values: Value of the basket of each token. A basket ends where the value changes.
    """
    starts = [place for place in range(len(values)) if not place or values[place] != values[place - 1]]
    return [*starts, len(values)]


def baskets_refused(data: DataSpec) -> list[str]:
    """Return the faults of the keys of baskets."""
    name = data.baskets
    if name is None:
        if data.min_baskets != type(data).model_fields["min_baskets"].default:
            return ["data.min_baskets needs data.baskets, the column of the basket of each token"]
        return []
    faults = []
    if data.shape == "labelled":
        faults.append(
            "data.baskets is for the shapes 'sequence' and 'events', whose tokens are the labels: remove it, or write "
            "data.label_kind: classes for a labelled row with several labels"
        )
    if data.tokenizer != "none":
        faults.append(
            f"data.baskets: tokenizer '{data.tokenizer}' splits a text into tokens, so that a column cannot have a "
            "value for each of them: set data.tokenizer: none"
        )
    if data.shape != "labelled" and data.label_kind != "classes":
        faults.append(
            f"data.label_kind '{data.label_kind}': the label of data.baskets is a set of tokens: remove the key, or "
            "write 'classes'"
        )
    if data.targets:
        faults.append("data.targets: rows of baskets have no further targets: remove them")
    uses = {
        **dict.fromkeys([*data.group_by, *data.split_by, *filter(None, [data.splits.column])], "decides about a row"),
        **dict.fromkeys(data.slices, "is a slice"),
        **dict.fromkeys(data.features, "is a feature of the whole row"),
        **dict.fromkeys(data.token_features, "is a token feature"),
        **dict.fromkeys(data.inputs, "is the input"),
    }
    if name in uses:
        faults.append(f"data.baskets: column '{name}' {uses[name]}: copy the column under another name, or remove one")
    return faults
