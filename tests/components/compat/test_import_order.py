"""Tests of the imports of `components.compat.tfdv` and `components.compat.tfma`, which must import TFX first."""

from __future__ import annotations

import inspect
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

import pytest

from components.compat import tfdv, tfma


def test_tfx_bsl_lacks_a_module_that_tfx_puts_in_place() -> None:
    import tfx_bsl.arrow

    assert PathFinder.find_spec("tfx_bsl.arrow.sql_util", tfx_bsl.arrow.__path__) is None
    spec = find_spec("tfx")
    assert spec is not None
    assert "tfx_bsl.arrow.sql_util" in Path(str(spec.origin)).read_text()


@pytest.mark.parametrize("module", [tfdv.tfdv, tfma.constants])
def test_the_library_still_imports_that_module(module) -> None:
    root = Path(inspect.getfile(module)).parent
    assert any("sql_util" in file.read_text() for file in root.rglob("*.py"))


def test_tfma_has_the_names_and_the_readers() -> None:
    constants = tfma.constants
    assert (constants.BASELINE_KEY, constants.CANDIDATE_KEY) == ("baseline", "candidate")
    assert (constants.FEATURES_KEY, constants.PREDICTIONS_KEY) == ("features", "predictions")
    for reader in (tfma.writer.load_and_deserialize_metrics, tfma.writer.load_and_deserialize_validation_result):
        assert next(iter(inspect.signature(reader).parameters)) == "output_path"


def test_tfma_publishes_neither() -> None:
    import tensorflow_model_analysis as public

    assert not [name for name in public.__all__ if name.endswith("_KEY") or "deserialize" in name]
    assert not [name for name in public.writers.__all__ if "deserialize" in name]
