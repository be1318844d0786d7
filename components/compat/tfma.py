"""TensorFlow Model Analysis, after TFX, with modules that it does not publish.

Reason: TFMA imports `tfx_bsl.arrow.sql_util`, which tfx-bsl does not have any more. TFX puts an empty module in its
    place, so TFX is imported first. TFMA publishes neither the names of its extracts and models (`constants`), nor
    readers that give its results as messages, with metrics that are NaN and failed thresholds (`writer`), nor the
    reader of the configuration beside them (`eval_config_writer`). TFX's Evaluator expects `EvalConfig` in TFMA itself.
    `tfx.components` puts it there, but `components.compat.tfx_v1` does without that package.
Versions: tfx-bsl 1.21 with TFMA 0.52.
Remove when: TFMA imports without TFX, and publishes both.
"""

from __future__ import annotations

import tfx  # noqa: F401

# isort: split
import tensorflow_model_analysis
from tensorflow_model_analysis import constants, default_extractors, slicer
from tensorflow_model_analysis.extractors import extractor
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2, validation_result_pb2
from tensorflow_model_analysis.writers import eval_config_writer
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as writer

if not hasattr(tensorflow_model_analysis, "EvalConfig"):
    tensorflow_model_analysis.EvalConfig = config_pb2.EvalConfig

__all__ = [
    "config_pb2",
    "constants",
    "default_extractors",
    "eval_config_writer",
    "extractor",
    "metric_types",
    "metrics_for_slice_pb2",
    "slicer",
    "validation_result_pb2",
    "writer",
]
