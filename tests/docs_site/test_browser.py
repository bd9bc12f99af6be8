"""The built site in a real browser, offline: questions of newcomers asked of its own search, and how it looks.

``make docs`` builds it, ``make test-docs-browser`` has what this takes: Chromium with its driver, and selenium.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("RLFRAMEWORK_SITE", ROOT / "docs" / "_build" / "html"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
# As somebody would type them, with a sentence that answers; written down before the pages were.
QUESTIONS = {
    "how do I log to W&B": "WandbLogger(project=",
    "how do I use 4 GPUs": "--trainer.devices",
    "where does beta go": "kl_coefficient",
    "why is my reward flat": "zero_std_groups",
    "resume after a crash": "ckpt_path",
    "use my own CSV": "LocalFile",
    "LoRA on a small GPU": "lora=LoraConfig(",
    "use vLLM": "VLLMSampler(",
    "write a reward": "score_row",
    "convert my TRL script": "rlframework from-trl",
}
WIDTHS = (1440, 768, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not SITE.exists():
        pytest.skip("the site is not built: make docs")
    if not CHROMIUM or not DRIVER:
        pytest.skip("there is no Chromium with a chromedriver here: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{word}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield driver
    driver.quit()


def results(browser: Any, question: str) -> list[str]:
    """Return the pages that the search of the site finds, best first."""
    browser.get(f"{(SITE / 'search.html').as_uri()}?q={quote_plus(question)}")
    summary = ""
    for _ in range(300):
        summary = browser.execute_script("return document.querySelector('.search-summary')?.textContent || ''")
        if summary.startswith(("Search finished", "Your search", "Search Results")) or "found" in summary:
            break
        time.sleep(0.1)
    return browser.execute_script("return [...document.querySelectorAll('ul.search li a')].map(link => link.href)")


def answers(browser: Any, page: str, sentence: str) -> bool:
    browser.get(page)
    return sentence in browser.execute_script("return document.querySelector('article').innerText")


@pytest.mark.parametrize(("question", "sentence"), QUESTIONS.items())
def test_the_search_answers_in_two_clicks(browser: Any, question: str, sentence: str) -> None:
    found = results(browser, question)
    # One click is a result among the first five, the other a link on it.
    for rank, page in enumerate(found[:5], start=1):
        if answers(browser, page, sentence):
            print(f"{question}: result {rank} of {len(found)}, {page.rpartition('/')[2]}")
            return
    for rank, page in enumerate(found[:5], start=1):
        browser.get(page)
        links = browser.execute_script("return [...document.querySelectorAll('article a.internal')].map(a => a.href)")
        if any(answers(browser, link, sentence) for link in dict.fromkeys(links)):
            print(f"{question}: a link of result {rank}, {page.rpartition('/')[2]}")
            return
    pytest.fail(f"{question!r} finds {[page.rpartition('/')[2] for page in found[:5]]}")


def look(browser: Any, page: str, width: int, theme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get((SITE / page).as_uri())


@pytest.mark.parametrize("page", ["index.html", "figures.html", "options.html", "api/rlframework.algorithms.html"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_is_wider_than_the_window(browser: Any, page: str, width: int, theme: str, tmp_path: Path) -> None:
    look(browser, page, width, theme)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (theme == "dark")
    folder = Path(os.environ.get("RLFRAMEWORK_PICTURES", tmp_path))
    browser.save_screenshot(str(folder / f"{page.replace('/', '_').removesuffix('.html')}_{width}_{theme}.png"))
