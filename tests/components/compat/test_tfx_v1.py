"""Google Cloud is loaded when somebody asks for it, and not before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tfx.v1 import extensions

LAZY = """
import sys
from components.compat.tfx_v1 import v1
assert "google.cloud.aiplatform" not in sys.modules
assert v1.components.Trainer
assert v1.extensions.google_cloud_ai_platform.BulkInferrer
assert "google.cloud.aiplatform" in sys.modules
import tfx.v1.extensions.google_cloud_big_query
"""
EAGER = """
import sys
import tfx.v1
assert "google.cloud.aiplatform" in sys.modules, "TFX is lazy itself: the module can go"
"""


def _run(script: str) -> None:
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.slow
def test_google_cloud_is_imported_when_it_is_asked_for() -> None:
    _run(LAZY)


@pytest.mark.slow
def test_tfx_imports_google_cloud_at_once() -> None:
    _run(EAGER)


def test_the_extensions_have_no_more_than_submodules() -> None:
    assert {*extensions.__all__} == {"google_cloud_ai_platform", "google_cloud_big_query"}
