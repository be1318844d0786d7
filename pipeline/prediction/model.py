"""Places of pushed models."""

from __future__ import annotations

from pathlib import Path

from components.inference.errors import PredictError
from components.inference.model import PushedModel
from components.messages.spelling import did_you_mean


def load(folder: str | Path) -> PushedModel:
    """Load a pushed model.

    Args:
        folder: Folder of one version, of all versions (`runs/NAME/serving`), of a run (`runs/NAME`), or of several
            runs (`runs`). The newest version of a run is taken, and of several runs the model pushed last.

    Raises:
        PredictError: The folder holds no model.
    """
    model = PushedModel(find_version(Path(folder).expanduser()))
    model.load()
    return model


def find_version(place: Path | None) -> Path:
    """Return the folder of one version of a pushed model.

    Args:
        place: See `load`. None: `runs`.

    Raises:
        PredictError: The folder does not exist, or no run in it has pushed a model.
    """
    if place is None:
        return pushed_last(Path("runs"))
    if not place.is_dir():
        near = did_you_mean(place.name, [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else [])
        raise PredictError(f"{place}: no such folder{near}")
    if (place / "serving").is_dir():
        return newest_version(place / "serving")
    return pushed_last(place) if any(place.glob("*/serving/*")) else newest_version(place)


def versions_folder(place: Path | None) -> Path:
    """Return the folder that a model server watches: that of all versions, or `place` if it is that of one version.

    Args:
        place: See `load`. None: `runs`.

    Raises:
        PredictError: The folder does not exist, or no run in it has pushed a model.
    """
    version = find_version(place)
    return version if place is not None and version.samefile(place) else version.parent


def model_name(folder: Path) -> str:
    """Return the name of a model for its folder, or for the folder of its versions: that of the run, or of the folder.

    In `runs/mine/serving` and `runs/mine/serving/1700000000`, this is `mine`.
    """
    folder = folder.resolve()
    folder = folder.parent if folder.name.isdecimal() else folder
    return folder.parent.name if folder.name == "serving" else folder.name


def pushed_last(runs: Path) -> Path:
    """Return the folder of the version that was pushed last.

    Args:
        runs: Folder of the runs' roots.

    Raises:
        PredictError: No run has pushed a model.
    """
    versions = [path for path in runs.glob("*/serving/*") if path.name.isdigit()]
    if not versions:
        raise PredictError(f"no model was pushed yet under {runs}/: `bigvocab run` makes one, or name one by --model")
    return max(versions, key=lambda path: path.stat().st_mtime)


def newest_version(folder: Path) -> Path:
    """Return the newest version in a folder of versions, as model servers read it, or else the folder itself."""
    versions = [path for path in folder.glob("*") if path.name.isdigit() and path.is_dir()]
    return max(versions, key=lambda path: int(path.name)) if versions else folder
