"""The public interface of BigVocab: names that are imported from its other packages.

    bigvocab.layers                         Keras layers, losses and optimizers; they need only TensorFlow and Keras
    bigvocab.load(DIR).predict(rows)        answers of a pushed model
    bigvocab.load_config(NAME)              configuration from a preset or a YAML file
    bigvocab.run(config, root)              a whole run, as `bigvocab run` does it
    bigvocab.__version__                    version of the installed package

All names but `layers` and `__version__` need the packages of the pipeline: `pip install 'bigvocab[pipeline]'`. A name
is imported when it is first read, so `import bigvocab` itself loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bigvocab import _names

if TYPE_CHECKING:
    from bigvocab import layers as layers
    from components.inference.errors import PredictError as PredictError
    from components.inference.model import PushedModel as PushedModel
    from pipeline.config.errors import ConfigurationError as ConfigurationError
    from pipeline.config.loading import load as load_config
    from pipeline.config.spec import Config as Config
    from pipeline.execution.runner import run as run
    from pipeline.prediction.model import load as load

    __version__: str

__all__ = [
    "Config",
    "ConfigurationError",
    "PredictError",
    "PushedModel",
    "__version__",
    "layers",
    "load",
    "load_config",
    "run",
]

_PLACES = {
    "Config": "pipeline.config.spec:Config",
    "ConfigurationError": "pipeline.config.errors:ConfigurationError",
    "PredictError": "components.inference.errors:PredictError",
    "PushedModel": "components.inference.model:PushedModel",
    "layers": "bigvocab.layers",
    "load": "pipeline.prediction.model:load",
    "load_config": "pipeline.config.loading:load",
    "run": "pipeline.execution.runner:run",
}


def __getattr__(name: str) -> Any:
    value = _names.version() if name == "__version__" else _names.find(__name__, name, _PLACES)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
