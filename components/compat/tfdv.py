"""TensorFlow Data Validation, imported after TFX.

Reason: TFDV imports `tfx_bsl.arrow.sql_util`, which tfx-bsl no longer has. TFX puts an empty module in its place, so
    TFX is imported first.
Versions: tfx-bsl 1.21 with TFDV 1.16 and 1.21.
Remove when: TFDV can be imported without TFX.
"""

from __future__ import annotations

import tfx.components  # noqa: F401

# isort: split
import tensorflow_data_validation as tfdv

__all__ = ["tfdv"]
