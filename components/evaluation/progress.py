"""Count of the rows that the Evaluator has read, for the progress of the node."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from components.compat.tfma import constants, extractor
from components.messages.counting import count


def rows_extractor() -> extractor.Extractor:
    """Return an extractor that counts the rows of each batch, and passes the batches on."""
    return extractor.Extractor("CountRows", beam.Map(_counted))


def _counted(extracts: dict[str, Any]) -> dict[str, Any]:
    batch = extracts.get(constants.ARROW_RECORD_BATCH_KEY)
    count(0 if batch is None else batch.num_rows)
    return extracts
