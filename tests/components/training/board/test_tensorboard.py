"""Tests that TensorBoard shows what a training writes: each tab is opened in a headless Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.browser import SECONDS, opened
from tests.components.training.conftest import VOCABULARY

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow
TABS = ("timeseries", "scalars", "graphs", "distributions", "histograms", "text", "hparams", "projector")
SCRIPT, CORS = "text/javascript", {"Access-Control-Allow-Origin": "*"}
CHARTS = "window.google = {charts: {load() {}, setOnLoadCallback() {}, safeLoad() {}}, visualization: {}};"
"""Stands for Google Charts, which the tab Profile loads from the internet before its own script."""


@pytest.fixture(scope="module")
def logs(mixed_training: Path) -> Path:
    """Return the logs of a short training with a mixture and a profile."""
    return mixed_training / "run"


@pytest.fixture(scope="module")
def address(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start TensorBoard, wait until it has read the logs, and yield its address."""
    # The plugin of the profile writes results beside the profile.
    copy = shutil.copytree(logs, tmp_path_factory.mktemp("logs") / "run")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(copy), "--port", "0", "--load_fast", "false"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            url = next(line.split(" at ")[1].split()[0] for line in process.stderr if " at http" in line)
            active: set[str] = set()
            while not {*TABS, "profile"} <= active:  # The test's timeout ends it.
                with urllib.request.urlopen(f"{url}data/plugins_listing") as answer:
                    active = {name for name, plugin in json.load(answer).items() if plugin["enabled"]}
            yield url
        finally:
            process.terminate()


def test_a_training_writes_what_the_tabs_show(logs: Path) -> None:
    events = EventAccumulator(str(logs)).Reload()
    tags = set(events.Tags()["tensors"])
    assert {"predictions", "predictions/confidence", "predictions/gate", "best/recall_at_10"} <= tags
    assert {"norms/input_embeddings", "norms/class_vectors", "norms/shared/projection/kernel"} <= tags
    assert len(events.Tensors("predictions")) == 2, "one for each validation"
    assert events.Graph().node
    assert list((logs / "plugins" / "profile").rglob("*.xplane.pb"))


@pytest.mark.parametrize(
    ("tab", "shown"),
    [
        ("timeseries", "scalar-card"),
        ("scalars", "tf-scalar-card"),
        ("graphs", "g.node[data-name='encoder']"),
        ("distributions", "tf-distribution-loader"),
        ("histograms", "tf-histogram-loader svg"),
        ("text", "tf-text-loader table td"),
        ("hparams", "text=learning_rate"),
    ],
)
def test_a_tab_shows_the_training(browser: Browser, address: str, tab: str, shown: str) -> None:
    with opened(browser, f"{address}#{tab}") as page:
        page.locator(shown).first.wait_for()


def test_the_projector_shows_inputs_and_labels(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}#projector") as page:
        frame = page.frame_locator("iframe").frame_locator("iframe")
        frame.get_by_text("2 tensors found").wait_for()
        # The larger table comes first.
        frame.locator(".numDataPoints", has_text=str(VOCABULARY.labels)).wait_for()


def test_the_profile_has_steps(browser: Browser, address: str) -> None:
    # Not `opened`: without the internet, the scripts of this tab write errors that do not concern the profile.
    page = browser.new_page()
    page.set_default_timeout(1000 * SECONDS)
    page.route(
        "https://www.gstatic.com/**", lambda route: route.fulfill(body=CHARTS, content_type=SCRIPT, headers=CORS)
    )
    page.goto(f"{address}#profile")
    frame = page.frame_locator("iframe")
    frame.get_by_text("Performance Summary").wait_for()
    assert frame.get_by_text("No step marker observed").count() == 0
    page.close()
