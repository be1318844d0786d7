"""TensorFlow Model Analysis, imported after TFX, and private modules of it.

Reason: TFMA imports `tfx_bsl.arrow.sql_util`, which tfx-bsl no longer has. TFX puts an empty module in its place, so
    TFX is imported first. Three parts of TFMA are private: the names of its extracts and models (`constants`), the
    readers that return results as messages, with NaN metrics and failed thresholds (`writer`), and the reader of the
    configuration beside the results (`eval_config_writer`). TFX's Evaluator expects `EvalConfig` in TFMA itself.
    `tfx.components` puts it there, but `components.compat.tfx.v1` avoids that package.
Versions: tfx-bsl 1.21 with TFMA 0.52.
Remove when: TFMA can be imported without TFX, and publishes the three parts and `EvalConfig`.
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
