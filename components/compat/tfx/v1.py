"""TFX's public modules. Components, Google Cloud, NLTK and Docker are imported only at their first use.

Reason: `tfx.v1` imports every component of TFX with its executor, its extensions and its runners. These import Keras
    Tuner, Google Cloud and Kubernetes, and a launcher imports Docker. TFMA imports NLTK for a metric, and NLTK imports
    scikit-learn. Beam imports the client of BigQuery, and with it the progress bars of notebooks, which load IPython.
    Each pod of a run is a process that would wait for all these imports.
Versions: TFX 1.21, TFMA 0.52 with NLTK 3.10.
Remove when: TFX and TFMA import these packages at their first use.
"""

from __future__ import annotations

import contextlib

import tfx  # noqa: F401  adds a module that its dependencies import

with contextlib.suppress(ImportError):
    import tqdm  # noqa: F401  a lazy module is an attribute of its package

from components.compat.lazy import make_lazy

_MODULES = {
    "Evaluator": ("components.compat.tfma", "tfx.components.evaluator.component"),
    "Trainer": ("tfx.components.trainer.component",),
    "Transform": ("tfx.components.transform.component",),
}
"""Modules to import for each component that BigVocab uses."""

for _package in (
    *("docker", "nltk", "nltk.stem", "tqdm.notebook"),
    *("tfx.components", "tfx.v1.extensions", "tfx.v1.orchestration.experimental"),
):
    make_lazy(_package)
make_lazy("tfx.v1.components", _MODULES)

from tfx import v1  # noqa: E402

import components.compat.beam_speed  # noqa: E402, F401  for all pipelines of the components

__all__ = ["v1"]
