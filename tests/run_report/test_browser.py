"""The report in a real browser: console, sorting, filtering, keyboard, accessibility, speed, and what a policy said.

``make test-browser`` has what it takes: Chromium with its driver, selenium, and axe-core.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlframework.run_report import save_run_report
from tests.run_report.made_runs import HOSTILE, made_run

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
AXE = Path(os.environ.get("RLFRAMEWORK_AXE", ROOT / ".venv/node_modules/axe-core/axe.min.js"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM or not DRIVER:
        pytest.skip("there is no Chromium with a chromedriver here: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1440,1000"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    # Open as offline as can be: not even a mistake of the page would get an answer.
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_run_report(made_run(tmp_path_factory.mktemp("small") / "run", tries=2, episodes=False))


def look(browser: Any, page: Path, width: int = 1440, theme: str = "light") -> None:
    browser.get_log("browser")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(page.as_uri())
    browser.execute_script("try { localStorage.clear() } catch {}")


def run(browser: Any, script: str, *arguments: Any) -> Any:
    return browser.execute_script(script, *arguments)


def rows(browser: Any, host: str = "completions-table") -> list[list[str]]:
    found: list[list[str]] = run(
        browser,
        "const rows = [...document.querySelectorAll(`#${arguments[0]} tbody tr`)];"
        "return rows.map(row => [...row.cells].map(cell => cell.textContent))",
        host,
    )
    return found


def type_into(browser: Any, host: str, name: str, value: str, event: str = "input") -> None:
    run(
        browser,
        "const field = document.querySelector(`#${arguments[0]} [data-part='${arguments[1]}']`);"
        "field.value = arguments[2]; field.dispatchEvent(new Event(arguments[3], { bubbles: true }));",
        host,
        name,
        value,
        event,
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 768, 390])
def test_nothing_is_amiss_in_any_window(browser: Any, small: Path, width: int, theme: str) -> None:
    look(browser, small, width, theme)
    assert browser.get_log("browser") == []
    # The page does not scroll sideways; what is too wide scrolls by itself.
    assert run(browser, "return document.documentElement.scrollWidth") <= width
    assert run(browser, "return document.documentElement.dataset.theme") == theme
    drawn = (
        "return [...document.querySelectorAll('#charts canvas')].filter(c => c.width > 100 && c.height > 100).length"
    )
    assert run(browser, drawn) == run(browser, "return reportData().charts.length") > 8


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing(browser: Any, small: Path, theme: str) -> None:
    if not AXE.exists():
        pytest.skip(f"there is no axe-core at {AXE}: npm install axe-core, or RLFRAMEWORK_AXE=.../axe.min.js")
    look(browser, small, 1440, theme)
    # What is folded is on the page too.
    run(browser, "document.querySelectorAll('details').forEach(one => one.open = true)")
    run(browser, "document.querySelector('#completions-table button.open').click()")
    run(browser, AXE.read_text())
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(done)")
    assert len(found["passes"]) > 20
    faults = [(fault["id"], fault["help"], fault["nodes"][0]["html"][:200]) for fault in found["violations"]]
    assert faults == []


def test_a_planted_fault_is_found_by_the_checker(browser: Any, small: Path) -> None:
    if not AXE.exists():
        pytest.skip(f"there is no axe-core at {AXE}: npm install axe-core, or RLFRAMEWORK_AXE=.../axe.min.js")
    look(browser, small)
    run(browser, "document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"data:,\"><input>')")
    run(browser, AXE.read_text())
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(done)")
    assert {"image-alt", "label"} <= {fault["id"] for fault in found["violations"]}


def test_completions_sort_by_a_click_and_by_what_is_best(browser: Any, small: Path) -> None:
    look(browser, small)
    column = run(
        browser,
        "const heads = [...document.querySelectorAll('#completions-table th')];"
        "const head = heads.find(one => one.textContent === 'reward'); head.querySelector('button').click();"
        "return head.cellIndex",
    )
    rewards = [float(row[column]) for row in rows(browser)]
    assert rewards == sorted(rewards, reverse=True)
    assert len(rewards) == 25
    highest = run(browser, "return Math.max(...reportData().completions.reward.filter(one => one !== null))")
    assert rewards[0] == pytest.approx(highest, abs=0.005)
    run(browser, "document.querySelector('#completions-table th[aria-sort=descending] button').click()")
    ascending = [float(row[column]) for row in rows(browser)]
    assert ascending == sorted(ascending)
    type_into(browser, "completions-table", "kind", "best", "change")
    assert float(rows(browser)[0][column]) == rewards[0]


def test_completions_filter_and_turn_pages(browser: Any, small: Path) -> None:
    look(browser, small)
    type_into(browser, "completions-table", "search", "number 123:")
    assert [row[3].startswith("number 123:") for row in rows(browser)] == [True]
    assert "1 of 256 completions" in run(
        browser, "return document.querySelector('#completions-table .count').textContent"
    )
    type_into(browser, "completions-table", "search", "")
    type_into(browser, "completions-table", "kind", "stop:length", "change")
    assert len(rows(browser)) == len(range(7, 256, 50))
    type_into(browser, "completions-table", "kind", "", "change")
    type_into(browser, "completions-table", "from", "1")
    assert {row[1] for row in rows(browser)} == {"1"}
    first = rows(browser)[0]
    run(browser, "document.querySelector('#completions-table .pager [data-move=\"1\"]').click()")
    assert "page 2 of 6" in run(browser, "return document.querySelector('#completions-table .pager').textContent")
    assert rows(browser)[0] != first


def test_what_a_policy_said_is_seen_and_never_run(browser: Any, small: Path) -> None:
    look(browser, small)
    for number in range(len(HOSTILE)):
        run(browser, f"document.querySelector('#completions-table tr.row[data-number=\"{number}\"]').click()")
    shown = run(
        browser, "return [...document.querySelectorAll('#completions-table tr.detail')].map(row => row.textContent)"
    )
    assert len(shown) == len(HOSTILE)
    assert all(text in said for text, said in zip(HOSTILE[:4], shown[:4], strict=True))
    assert "right to left U+202EgnorwU+202C and U+2066isolatedU+2069" in shown[4]
    assert "control U+0000U+0007U+001B[31m and U+200Bno width, U+2028 line" in shown[5]
    assert "half a character U+D83D" in shown[6]
    assert HOSTILE[7] in shown[7]
    assert "(empty)" in shown[8]
    type_into(browser, "flips", "kind", "all", "change")
    assert HOSTILE[0] in run(browser, "return document.getElementById('flips').textContent")
    assert run(browser, "return [window.planted ?? null, document.querySelectorAll('main img, main svg').length]") == [
        None,
        0,
    ]
    assert browser.get_log("browser") == []


def test_a_script_that_got_in_would_not_run(browser: Any, small: Path, tmp_path: Path) -> None:
    hurt = tmp_path / "hurt.html"
    hurt.write_text(small.read_text(encoding="utf-8").replace("</main>", "<script>window.planted = 1</script></main>"))
    look(browser, hurt)
    assert run(browser, "return window.planted ?? null") is None
    assert "Content Security Policy" in browser.get_log("browser")[0]["message"]


def test_flipped_problems_stand_side_by_side(browser: Any, tmp_path: Path) -> None:
    look(browser, save_run_report(made_run(tmp_path / "run")))
    count = "return document.querySelector('#flips .count').textContent"
    assert run(browser, count) == "26 of 40 problems"
    first = run(browser, "return document.querySelector('#flips article').textContent")
    assert first.startswith("got worse")
    type_into(browser, "flips", "kind", "worse", "change")
    assert run(browser, count) == "2 of 40 problems"
    type_into(browser, "flips", "kind", "all", "change")
    type_into(browser, "flips", "search", "says 20")
    sides = run(browser, "return [...document.querySelectorAll('#flips .sides > div')].map(side => side.textContent)")
    assert "base says 21" in "".join(sides[0::2])
    assert "+ GRPO says 20" in "".join(sides[1::2])
    tops = "return [...document.querySelectorAll('#flips .sides > div')].map(side => side.getBoundingClientRect().top)"
    assert run(browser, tops)[0] == run(browser, tops)[1]


def test_episodes_open_turn_by_turn(browser: Any, tmp_path: Path) -> None:
    look(browser, save_run_report(made_run(tmp_path / "run", completions=16, episodes=True)))
    run(browser, "document.querySelector('#completions-table tr.row').click()")
    turns = run(browser, "return [...document.querySelectorAll('tr.detail .turn')].map(turn => turn.textContent)")
    assert turns[0].startswith("policy · paid 0.5look(f) 0")
    assert 'calls look({"key":"f"}) unknown' in turns[0]
    assert "It U+202Eleads to 7" in turns[1]


def test_it_is_used_without_a_mouse(browser: Any, small: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    look(browser, small)
    ActionChains(browser).send_keys("/").send_keys("number 40").perform()
    assert {row[3][:9] for row in rows(browser)} == {"number 40"}
    run(browser, "document.querySelector('#completions-table button.open').focus()")
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert len(run(browser, "return [...document.querySelectorAll('tr.detail')]")) == 1
    run(browser, "document.querySelector('#charts .plot-host').focus()")
    ActionChains(browser).send_keys(Keys.ARROW_LEFT).perform()
    assert run(browser, "return document.querySelector('#charts .step').textContent") == "step 20"
    steps = run(browser, "return [...document.querySelectorAll('#charts .step')].map(one => one.textContent)")
    assert steps.count("step 20") == len(steps)  # one cursor for all charts


def test_colours_change_by_a_click(browser: Any, small: Path) -> None:
    look(browser, small)
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = run(browser, ground)
    run(browser, "document.querySelector('[data-theme-switch]').click()")
    assert run(browser, ground) != light
    assert browser.get_log("browser") == []


def test_a_comparison_has_a_line_for_each_run(browser: Any, tmp_path: Path) -> None:
    folders = [made_run(tmp_path / name, learning_rate=rate) for name, rate in (("one", 1e-3), ("two", 2e-3))]
    look(browser, save_run_report(folders, tmp_path / "both.html"))
    assert browser.get_log("browser") == []
    names = run(browser, "return [...document.querySelectorAll('#charts .legend')][0].textContent")
    assert "/one" in names
    assert "/two" in names
    assert "40 problems" in run(browser, "return document.querySelector('#flips .count').textContent")


def test_ten_thousand_completions_open_and_filter_without_lag(browser: Any, tmp_path: Path) -> None:
    page = save_run_report(made_run(tmp_path / "run", completions=10_000, words=60))
    # From the press of a key to the page as it is laid out then; the first search makes what is searched.
    work = """
        const field = document.querySelector('#completions-table [data-part=search]'), times = [];
        const timed = (work) => {
          const start = performance.now(); work(); document.body.offsetHeight; times.push(performance.now() - start);
        };
        for (const words of ['number', 'number 77', 'seven plus', 'no such words', 'e', '']) timed(() => {
          field.value = words; field.dispatchEvent(new Event('input', { bubbles: true }));
        });
        timed(() => document.querySelectorAll('#completions-table th button')[2].click());
        return times"""
    opening = "const [entry] = performance.getEntriesByType('navigation'); return entry.loadEventEnd - entry.startTime"
    opened, times = [], []
    # The best of several tries: what else the machine does is not the page's.
    for _ in range(3):
        look(browser, page)
        opened.append(run(browser, opening))
        times += [run(browser, work) for _ in range(5)]
    best = [min(tries) for tries in zip(*times, strict=True)]
    *filters, sort = best
    said = f"opens in {min(opened):.0f} ms, filters in {[round(time) for time in filters]} ms, sorts in {sort:.0f} ms"
    print(said)
    assert min(opened) <= 2000, said
    assert max(filters) <= 100, said
    assert sort <= 250, said
