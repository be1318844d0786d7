"""Tests that scikit-learn and IPython are loaded at their first use. `test_tfx_v1.py` checks the need for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TRIAL = """
import sys
import components.infra_validation.trial
assert "keras" in sys.modules and not {"sklearn", "IPython.core"} & {*sys.modules}
import keras
assert keras.wrappers.SKLearnClassifier
assert "sklearn" in sys.modules
from IPython.core import ultratb
import IPython
assert IPython.get_ipython() is None and IPython.version_info
"""
TWICE = """
import sys
import sklearn
from components.compat.lazy import make_lazy
make_lazy("sklearn")
make_lazy("not_installed.package")
assert sys.modules["sklearn"] is sklearn and "not_installed" not in sys.modules
"""


@pytest.mark.parametrize("script", [TRIAL, TWICE], ids=["trial", "twice"])
def test_packages_are_imported_when_they_are_asked_for(script: str) -> None:
    command, folder = [sys.executable, "-c", script], Path(__file__).parents[3]
    # Transform sets this variable, for the processes that a test starts too. TensorFlow then loads another Keras.
    own = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    found = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
