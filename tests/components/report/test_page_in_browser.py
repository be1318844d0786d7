"""The page in a headless Chromium: no script error, every chart drawn, accessible names, light, dark and print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from components.report import html
from components.report.scripts import VEGA
from tests.browser import opened
from tests.components.report.test_hostile_values import HOSTILE, _with
from tests.components.report.test_reliability import summary
from tests.components.report.test_report import SECTIONS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DRAWN = "html[data-charts=drawn]"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    html.write(summary(), path, SECTIONS)
    return path.as_uri()


def _ink(page: Page) -> str:
    """Return the color of the first tick of the first chart."""
    return page.locator(".role-axis-label text").first.evaluate("element => getComputedStyle(element).fill")


def test_every_chart_is_drawn_and_named_and_nothing_is_loaded(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.wait_for_selector(DRAWN)
        places = page.locator("[data-chart]")
        assert places.count() == 4
        for place in places.all():
            assert place.get_attribute("data-drawn") == "true"
            assert place.get_attribute("aria-label")
            assert place.locator("svg path").count() > 2
        names = page.evaluate("[...document.querySelectorAll('.scroll, [data-chart]')].map(of => of.ariaLabel)")
        assert all(names)
        assert len(set(names)) == len(names)
        assert page.evaluate("performance.getEntriesByType('resource').length") == 0


def test_a_point_has_a_tooltip_and_a_chart_a_table(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.wait_for_selector(DRAWN)
        figure = page.locator("figure").first
        figure.locator(".mark-symbol path").first.hover()
        tooltip = page.locator("#vg-tooltip-element.visible")
        assert tooltip.inner_text().split() == ["epoch", "1", "perplexity", "121.5", "wall", "time", "41", "s"]
        assert not figure.locator("table").is_visible()
        figure.locator("summary").click()
        assert figure.locator("table").is_visible()


def test_the_charts_follow_the_scheme_and_fit_a_phone_and_paper(browser: Browser, address: str) -> None:
    with opened(browser, address, scheme="dark", width=400) as page:
        page.wait_for_selector(DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        dark = _ink(page)
        page.emulate_media(color_scheme="light")
        light = _ink(page)
        page.emulate_media(media="print", color_scheme="dark")
        assert len({dark, light, _ink(page)}) == 3
        assert _ink(page) == "rgb(0, 0, 0)"


def test_the_page_is_readable_without_scripts(browser: Browser, address: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    assert not page.locator(".plot").first.is_visible()
    page.locator("figure summary").first.click()
    assert "121.5" in page.locator("figure table").first.inner_text()
    page.close()


@pytest.mark.parametrize("text", HOSTILE[:2])
def test_a_hostile_value_runs_nothing(browser: Browser, tmp_path: Path, text: str) -> None:
    html.write(_with(text), tmp_path / "report.html", SECTIONS)
    with opened(browser, (tmp_path / "report.html").as_uri()) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        page.wait_for_selector(DRAWN)
        assert page.locator("[data-chart]:not([data-drawn])").count() == 0


@pytest.mark.slow
def test_the_bundle_is_that_of_the_locked_package() -> None:
    pytest.importorskip("vl_convert", reason="vl-convert is not installed: BIGVOCAB_EXTRAS=browser")
    from docs.tools.vega import FILE, bundle

    assert FILE.as_posix().endswith(VEGA)
    assert FILE.read_text(encoding="utf-8") == bundle()
