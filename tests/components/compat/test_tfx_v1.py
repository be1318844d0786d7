"""Tests that components and extensions of TFX are loaded at their first use, and of the need for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HEAVY = (
    *("docker.client", "google.cloud.aiplatform", "ipywidgets", "keras_tuner", "kubernetes", "nltk.corpus", "sklearn"),
    "prompt_toolkit",  # IPython imports it.
)
LAZY = f"""
import sys
from components.compat.tfx.v1 import v1
loaded = {{name for name in {HEAVY} if name in sys.modules}}
assert not loaded, loaded
assert v1.components.Transform.__module__ == "tfx.components.transform.component"
assert v1.components.Trainer and v1.dsl.Pipeline and v1.orchestration.metadata
assert v1.components.Evaluator
loaded = {{name for name in {HEAVY} if name in sys.modules}}
assert loaded <= {{"ipywidgets", "prompt_toolkit"}}, loaded  # TFDV and TFMA define widgets for notebooks.
from rouge_score import rouge_scorer
assert rouge_scorer.RougeScorer(["rouge1", "rougeLsum"], use_stemmer=True).score("two words", "two word")
import nltk
assert nltk.download and nltk.stem.SnowballStemmer("english").stem("words") == "word"
import keras
assert keras.wrappers.SKLearnClassifier
assert "sklearn" in sys.modules
import docker
from docker import errors
assert docker.from_env and errors.DockerException is docker.errors.DockerException
import tqdm.notebook
assert tqdm.notebook.tqdm_notebook
from IPython import get_ipython
assert get_ipython() is None
"""
WHOLE = """
import sys
from components.compat.tfx.v1 import v1
import tfx.components
from tfx import components
from tfx.components.pusher.component import Pusher
from tfx.v1.components import Evaluator, FnArgs, Tuner
assert tfx.components is components
assert tfx.components.Pusher is v1.components.Pusher is Pusher
assert v1.components.Evaluator is Evaluator
assert v1.extensions.google_cloud_ai_platform.BulkInferrer
import tfx.v1.extensions.google_cloud_big_query
for module in (v1.components, v1.extensions, tfx.components):
    assert not hasattr(module, "Nothing")
    for name in module.__all__:
        assert hasattr(module, name), name
"""
KERAS = """
import sys
import tensorflow
assert {"sklearn", "IPython.core"} <= {*sys.modules}, "Keras is lazy itself: a line of `lazy.py` can go"
"""
WITHOUT = """
import tfx
import tensorflow_model_analysis as tfma
assert not hasattr(tfma, "EvalConfig"), "TFMA publishes it: the lines can go"
import tfx.components
assert tfma.EvalConfig
"""
EAGER = f"""
import sys
import tfx.v1
missing = {{name for name in {HEAVY} if name not in sys.modules}}
assert not missing, f"TFX is lazy itself: the module can go. {{missing}}"
"""


def _run(script: str) -> None:
    command, folder = [sys.executable, "-c", script], Path(__file__).parents[3]
    # Transform sets this variable, for the processes that a test starts too. TensorFlow then loads another Keras.
    own = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    found = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_components_are_imported_when_they_are_asked_for() -> None:
    """Each process imports TFX, which takes longer than the checks: two checks share one."""
    _run(LAZY + WHOLE)


def test_without_ours_keras_and_tfx_import_all_at_once_and_tfx_puts_a_name_into_tfma() -> None:
    _run(KERAS + WITHOUT + EAGER)
