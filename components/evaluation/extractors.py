"""The extractors of the Evaluator, which TFX finds by the name of this module.

TFX loads the module anew for each Evaluator. So it holds no state, and defines no class.
"""

from __future__ import annotations

from typing import Any

from components.compat.tfma import config_pb2, default_extractors, extractor
from components.evaluation.folder import FOLDER
from components.evaluation.row_sums import row_sums_extractor


def custom_extractors(
    eval_shared_model: Any, eval_config: config_pb2.EvalConfig, tensor_adapter_config: Any
) -> list[extractor.Extractor]:
    """Return TFMA's extractors, and one that also writes the sums of each row.

    The model's sums of a row are known only inside TFMA's Beam pipeline. A second pass over the rows would run the
    model again.

    Args:
        eval_shared_model: The model, or the model and the last blessed one.
        eval_config: The configuration.
        tensor_adapter_config: None, since the Evaluator has no schema.
    """
    usual = default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    return [*usual, row_sums_extractor(FOLDER.get(), eval_config)]
