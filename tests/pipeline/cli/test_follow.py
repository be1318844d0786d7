"""Tests of the page that follows a training, in a headless Chromium and without one."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tensorflow as tf

from components.messages.exit_codes import UserError
from pipeline.cli.results.follow import server
from tests.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with server(tmp_path, 0) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{found.server_port}"
        finally:
            found.shutdown()
            thread.join()


def _points(root: Path, run: str, tag: str, **points: float) -> None:
    folder = root / "artifacts" / "Trainer" / "model_run" / run / tag.partition("/")[0].replace("training", "train")
    with tf.summary.create_file_writer(str(folder)).as_default():
        for step, value in points.items():
            tf.summary.scalar(tag, value, int(step[1:]))


def _state(address: str) -> dict:
    with urllib.request.urlopen(f"{address}/state.json") as answer:
        return json.loads(answer.read())


def test_the_state_follows_the_training(address: str, tmp_path: Path) -> None:
    first = _state(address)
    assert (first["line"], first["charts"], first["report"]) == ("No training has written a point yet.", {}, "")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/report.html")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/../metadata.sqlite")
    _points(tmp_path, "7", "training/loss", s50=5.5, s100=5.0, s150=float("nan"))
    _points(tmp_path, "7", "validation/perplexity", s100=120.0)
    found = _state(address)
    assert found["line"] == "Step 100 of the newest training."
    assert list(found["charts"]) == ["live-validation/perplexity", "live-training/loss"]
    values = found["charts"]["live-training/loss"]["data"]["values"]
    assert [(value["step"], value["value"]) for value in values] == [(50, 5.5), (100, 5.0)]


def test_a_port_in_use_is_one_error(address: str, tmp_path: Path) -> None:
    port = int(address.rpartition(":")[2])
    with pytest.raises(UserError, match=f"port {port} cannot be used"):
        server(tmp_path, port)


@pytest.mark.slow
def test_the_page_draws_the_curves_and_opens_the_new_report(browser: Browser, address: str, tmp_path: Path) -> None:
    _points(tmp_path, "7", "training/loss", s50=5.5, s100=5.0)
    with opened(browser, address) as page:
        page.wait_for_selector("[data-chart='live-training/loss'][data-drawn=true]")
        assert page.locator("#state").inner_text() == "Step 100 of the newest training."
        assert not page.locator("#report").is_visible()
        _points(tmp_path, "7", "validation/perplexity", s100=120.0)
        page.wait_for_selector("[data-chart='live-validation/perplexity'][data-drawn=true]")
        (tmp_path / "report").mkdir()
        (tmp_path / "report" / "report.html").write_text("<title>Report</title><h1>The report</h1>")
        page.wait_for_selector("text=The report")
        assert page.url.endswith("/report.html")
