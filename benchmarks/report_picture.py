"""The picture of a run report for the README: a screenshot of a page in headless Chromium.

    rlframework report runs/chain_sums && python benchmarks/report_picture.py runs/chain_sums/version_0/report.html

It takes Chromium with its driver (apt-get install chromium chromium-driver) and selenium, as `make test-browser` does.
"""

from __future__ import annotations

import argparse
import base64
import shutil
from pathlib import Path

PICTURE = Path(__file__).parents[1] / "docs/images/report.png"


def main(page: Path, picture: Path, width: int, height: int, dark: bool) -> None:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for word in ("headless=new", "no-sandbox", "hide-scrollbars", "disable-dev-shm-usage"):
        options.add_argument(f"--{word}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver") or ""))
    try:
        window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
        media = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        driver.get(page.resolve().as_uri())
        # What was drawn is on the screen one frame later.
        driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => setTimeout(done, 500))")
        picture.write_bytes(
            base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])
        )
    finally:
        driver.quit()
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path, help="report.html of a run")
    parser.add_argument("--output", type=Path, default=PICTURE)
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=1240)
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    main(given.page, given.output, given.width, given.height, given.dark)
