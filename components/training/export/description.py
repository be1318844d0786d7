"""Description of an exported model for its callers: `assets.extra/bigvocab.json` beside the SavedModel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from components.files import exists, is_remote, read_text, write_whole

FILE = "assets.extra/bigvocab.json"
"""Path in the folder of a model. TensorFlow and model servers ignore other files in `assets.extra`."""


class Description(BaseModel):
    """Facts about an exported model. Keys that a model of an older release lacks have their defaults."""

    # Keys of a newer release are kept when a description is changed.
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    data: dict[str, Any] | None = None
    """Data specification of the training, with the splitting of text into tokens."""
    top_k: int | None
    """Number of predicted labels; None if the label is a number."""
    context: int | None = None
    """Number of tokens that the encoder reads."""
    labels: int | None = None
    """Number of classes; None if the label is a number."""
    exclude_seen: bool = False
    """True if `eval` ranks only classes that the row does not contain yet."""
    metrics: list[str] = []
    """Paths of the user-defined metrics."""
    several: bool = False
    """True if a row may have several labels."""
    loss: str | None = None
    """Loss of the training if a row may have several labels."""
    threshold: float | None = None
    """Probability from which a class counts as one of several labels; None if a row has one label."""
    approximate: bool = False
    """True if `serving_default` answers by an approximate search."""
    vectors: dict[str, Any] | None = None
    """Facts about the signatures of `components.training.export.vectors`; None if the label is a number."""


def read(model: str | Path) -> Description:
    """Return the description of a model.

    Args:
        model: Folder of the SavedModel, also in an object store.

    Raises:
        OSError: The file cannot be read. For a file in an object store, TensorFlow's `OpError`.
        ValueError: The file is damaged.
    """
    path = f"{model}/{FILE}"
    try:
        return Description.model_validate_json(read_text(path))
    except ValidationError as error:
        raise ValueError(f"{path} is damaged: {error.errors()[0]['msg']}") from error


def read_if_there(model: str) -> Description | None:
    """Return the description of a model, or None if the model has none: see `read`."""
    path = f"{model}/{FILE}"
    if is_remote(path):
        import tensorflow as tf  # Pushed models are described before TensorFlow is loaded.

        return read(model) if tf.io.gfile.exists(path) else None
    return read(model) if exists(path) else None


def write(model: str | Path, description: Description) -> None:
    """Write the description of a model.

    Args:
        model: Folder of the SavedModel, also in an object store.
        description: The description.
    """
    write_whole(f"{model}/{FILE}", description.model_dump_json(indent=1))
