"""TFX's public modules, without the packages of Google Cloud until something asks for them.

Reason: `tfx.v1` imports its extensions, which import `google.cloud.aiplatform`: a third of the time that a process of
    ours takes to start, and each pod of a run is such a process.
Versions: TFX 1.21.
Remove when: `tfx.v1` imports its extensions lazily.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import tfx

_NAME = "tfx.v1.extensions"


class _Lazy(ModuleType):
    """Module whose submodules are imported when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return importlib.import_module(f"{self.__name__}.{name}")


if _NAME not in sys.modules:
    _extensions = _Lazy(_NAME, "TFX's extensions.")
    _extensions.__path__ = [f"{folder}/v1/extensions" for folder in tfx.__path__]
    sys.modules[_NAME] = _extensions

from tfx import v1  # noqa: E402

__all__ = ["v1"]
