"""TFX's public modules. Components, Google Cloud and NLTK are imported only at their first use.

Reason: `tfx.v1` imports every component of TFX with its executor, its extensions and its runners. These import Keras
    Tuner, Google Cloud and Kubernetes. TFMA imports NLTK for a metric, and NLTK imports scikit-learn. Each pod of a run
    is a process that would wait for all these imports.
Versions: TFX 1.21, TFMA 0.52 with NLTK 3.10.
Remove when: TFX and TFMA import these packages at their first use.
"""

from __future__ import annotations

import tfx  # noqa: F401  adds a module that its dependencies import

from components.compat.lazy import make_lazy

_MODULES = {
    "Evaluator": ("components.compat.tfma", "tfx.components.evaluator.component"),
    "Trainer": ("tfx.components.trainer.component",),
    "Transform": ("tfx.components.transform.component",),
}
"""Modules to import for each component that BigVocab uses."""

for _package in ("nltk", "nltk.stem", "tfx.components", "tfx.v1.extensions", "tfx.v1.orchestration.experimental"):
    make_lazy(_package)
make_lazy("tfx.v1.components", _MODULES)

from tfx import v1  # noqa: E402

import components.compat.beam_methods  # noqa: E402  for all pipelines of the components
import components.compat.beam_options  # noqa: E402, F401

__all__ = ["v1"]
