"""Extractors of the Evaluator, which TFX finds by the name of this module.

TFX loads the module again for each Evaluator, so the module must not hold state or define classes.
"""

from __future__ import annotations

from typing import Any

from components.compat.tfma import config_pb2, default_extractors, extractor
from components.evaluation.current import CURRENT
from components.evaluation.progress import rows_extractor
from components.evaluation.row_sums import row_sums_extractor


def custom_extractors(
    eval_shared_model: Any, eval_config: config_pb2.EvalConfig, tensor_adapter_config: Any
) -> list[extractor.Extractor]:
    """Return TFMA's extractors, one before them that counts rows, and one after them that writes the sums of each row.

    The sums of a row are available only inside TFMA's Beam pipeline. A second pass over the rows would run the model
    again.

    Args:
        eval_shared_model: New model, or new model and last blessed model.
        eval_config: Configuration of the evaluation.
        tensor_adapter_config: None, because the Evaluator has no schema.
    """
    usual = default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    current = CURRENT.get()
    models = eval_shared_model if isinstance(eval_shared_model, list) else [eval_shared_model]
    for spec, model in zip(eval_config.model_specs, models, strict=True):
        if not spec.is_baseline:
            current.load = model.model_loader.load
    return [rows_extractor(), *usual, row_sums_extractor(current.folder, eval_config)]
