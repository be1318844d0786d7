"""A headless Chromium for tests of pages: the system's Chromium, driven by Playwright.

A test takes the fixture `browser` (see `tests/conftest.py`) and opens pages with `opened`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SECONDS = 60
"""Maximum wait for an element. A page answers in less than a tenth of it, even on a busy machine."""


def chromium() -> str:
    """Return the path of Chromium, or skip the test with the reason."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("there is no Chromium")


@contextmanager
def launched() -> Iterator[Browser]:
    """Start Chromium, and end it afterwards."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: BIGVOCAB_EXTRAS=browser")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, url: str, *, scheme: Literal["light", "dark"] = "light", width: int = 1280
) -> Iterator[Page]:
    """Open a page, and fail if one of its scripts raised an error or wrote one to the console.

    Args:
        browser: The browser.
        url: Address of the page: `http://...` or `file:///...`.
        scheme: Color scheme that the page sees.
        width: Width of the window in pixels.
    """
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.set_default_timeout(1000 * SECONDS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(url)
    yield page
    page.close()
    assert errors == []
