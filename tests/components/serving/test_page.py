"""Tests of the page, in a browser."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from components.serving.pages import render
from components.serving.server import Serving, bound
from tests.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def address(server: Serving) -> Iterator[str]:
    listening = bound("127.0.0.1", 0)
    listening.listen()
    server_of_http = uvicorn.Server(uvicorn.Config(server.app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server_of_http.run, args=([listening],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server_of_http.should_exit = True
    thread.join()


def test_answers_do_not_wait_for_acknowledgments() -> None:
    with bound("localhost", 0) as listening:
        # asyncio sets TCP_NODELAY for connections of this protocol only.
        assert (listening.proto, listening.type) == (socket.IPPROTO_TCP, socket.SOCK_STREAM)
        listening.listen()
        with socket.create_connection(listening.getsockname()[:2]):
            accepted, _ = listening.accept()
            assert accepted.proto == socket.IPPROTO_TCP
            accepted.close()


def test_hostile_names_are_data(server: Serving) -> None:
    model: Any = SimpleNamespace(**vars(server.versions.current), vocabulary=lambda column: None)
    hostile = "</script><img src=x onerror=alert(1)>"
    model.data = model.data.model_copy(update={"inputs": [hostile], "features": {}})
    page = render.trial(hostile, model)
    assert hostile not in page
    assert "<img" not in page
    (form,) = re.findall(r"^const form = (.*);$", page, re.M)
    assert json.loads(form)["inputs"][0]["name"] == hostile


@pytest.mark.slow
def test_answers_and_contributions_follow_the_input(browser: Browser, address: str) -> None:
    with opened(browser, address, scheme="dark") as page:
        outside = []
        page.on("request", lambda request: outside.append(request.url) if address not in request.url else None)
        page.get_by_label("words").fill("the boat")
        answers = page.get_by_role("list", name="Answers, the most probable first").get_by_role("button")
        page.get_by_role("heading", name="Contributions to sea").wait_for()
        assert answers.count() == 3
        assert answers.nth(0).get_attribute("aria-pressed") == "true"
        decisive = page.get_by_role("list", name="Contributions").locator("li.plus")
        assert [text.split("\n")[0] for text in decisive.all_inner_texts()] == ["boat"]
        page.get_by_label("words").fill("the car")
        page.get_by_role("heading", name="Contributions to road").wait_for()
        answers.nth(1).click()
        page.get_by_role("heading", name="Contributions to sea").wait_for()
        page.get_by_label("hour").fill("23")
        page.get_by_label("country").fill("D")
        page.locator("datalist option[value=DE]").wait_for(state="attached")
        assert not outside
        page.reload()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    with opened(browser, f"{address}/docs") as page:
        page.get_by_role("heading", name="POST /v1/models/{name}:predict").wait_for()
