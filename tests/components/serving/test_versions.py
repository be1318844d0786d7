"""Tests of new versions, rollbacks and broken versions while requests are answered."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from components.inference.errors import PredictError
from components.pushing.versions import push, rollback
from components.serving.model import Model
from components.serving.rest.errors import RequestError
from components.serving.server import Serving, serving
from tests.components.serving.conftest import Client
from tests.components.serving.test_app import MODEL, ROWS, assert_right, body


@pytest.fixture
def folder(exports: Path, tmp_path: Path) -> Path:
    """Return a folder of versions, with the model of version 3 as version 100."""
    return push(exports / "3", tmp_path / "serving", clock=lambda: 100).parent


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def watching(folder: Path, said: list[str]) -> Iterator[Serving]:
    with serving(folder, "planted", 16, said.append, poll_seconds=None) as parts:
        yield parts


@pytest.mark.slow
def test_a_push_and_a_rollback_replace_the_version(
    watching: Serving, folder: Path, exports: Path, said: list[str]
) -> None:
    client, versions = Client(watching.app), watching.versions
    old = weakref.ref(versions.current)
    push(exports / "7", folder, clock=lambda: 200)
    with versions.using("planted") as model:
        versions.poll()
        assert versions.current.version == 200
        assert model.version == 100
        # A request in progress ends on the old version, whose memory is then freed.
        assert model.answer("serving_default", {"examples": _example(model)})["labels"].shape == (1, 3)
    del model
    versions.poll()
    assert_right(client.post(f"{MODEL}:predict", content=body(ROWS[0])).json()["predictions"][0], ROWS[0], scale=2.0)
    assert client.post(f"{MODEL}/versions/100:predict", content=body(ROWS[0])).status_code == 404
    rollback(folder, clock=lambda: 300)
    versions.poll()
    (prediction,) = client.post(f"{MODEL}/versions/300:predict", content=body(ROWS[0])).json()["predictions"]
    assert_right(prediction, ROWS[0])
    assert said == ["Version 200 replaces version 100", "Version 300 replaces version 200"]
    assert old() is None, "the old version is still in memory"


def _example(model: Model) -> NDArray[Any]:
    return np.array([model.example({"words": "boat"})], dtype=object)


@pytest.mark.parametrize("fault", ["graph", "variables", "about", "vocabulary"])
def test_a_broken_version_keeps_the_old_one(
    watching: Serving, folder: Path, exports: Path, said: list[str], fault: str
) -> None:
    versions = watching.versions
    shutil.copytree(exports / "7", folder / "200")
    if fault == "graph":
        (folder / "200" / "saved_model.pb").write_bytes(b"no graph")
    elif fault == "variables":
        (folder / "200" / "variables" / "variables.data-00000-of-00001").unlink()
    elif fault == "about":
        (folder / "200" / "assets.extra" / "bigvocab.json").unlink()
    else:
        (folder / "200" / "assets" / "inputs").write_text("no count\n")
    versions.poll()
    versions.poll()
    assert len(said) == 1, "a broken version is tried once"
    assert said[0].startswith("Version 200 is broken, version 100 stays: ")
    assert (versions.current.version, versions.loads) == (100, {"loaded": 1, "broken": 1})
    client = Client(watching.app)
    assert_right(client.post(f"{MODEL}:predict", content=body(ROWS[0])).json()["predictions"][0], ROWS[0])
    broken, served = client.get(MODEL).json()["model_version_status"]
    assert (broken["version"], broken["state"], served["version"], served["state"]) == (
        "200",
        "END",
        "100",
        "AVAILABLE",
    )
    assert "bigvocab_serve_broken 1.0" in client.get("/metrics").text
    # Its files are complete now, as after a slow copy.
    shutil.rmtree(folder / "200")
    shutil.copytree(exports / "7", folder / "200")
    versions.poll()
    assert (versions.current.version, versions.broken) == (200, None)


def test_the_thread_finds_a_new_version(folder: Path, exports: Path) -> None:
    with serving(folder, "planted", 16, print, poll_seconds=0.01) as parts:
        push(exports / "7", folder, clock=lambda: 200)
        while parts.versions.current.version != 200:  # Ends with the test's timeout otherwise.
            parts.versions.poll()


def test_one_version_can_be_served_alone(exports: Path) -> None:
    with serving(exports / "3", "planted", 16, print, poll_seconds=None) as parts:
        parts.versions.poll()
        assert parts.versions.current.version == 3


def test_a_folder_without_a_model_is_refused(tmp_path: Path, exports: Path) -> None:
    with pytest.raises(PredictError, match="no model of BigVocab"), serving(tmp_path, "planted", 16, print):
        pass
    shutil.copytree(exports / "3", tmp_path / "3")
    (tmp_path / "3" / "saved_model.pb").unlink()
    with pytest.raises(PredictError, match="cannot be loaded"), serving(tmp_path, "planted", 16, print):
        pass


def test_other_names_and_versions_are_not_served(watching: Serving) -> None:
    for name, version in (("other", None), ("planted", "99")):
        with pytest.raises(RequestError, match="Servable not found"), watching.versions.using(name, version):
            pass
