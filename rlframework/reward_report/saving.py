"""The reward report as files: JSON, and an HTML page."""

from __future__ import annotations

import json
from pathlib import Path

from rlframework.pages.page import write_page
from rlframework.reward_report.page import page_of
from rlframework.reward_report.result import RewardReport
from rlframework.utilities.paths import writable_folder


def save_reward_report(report: RewardReport, folder: str | Path) -> tuple[Path, Path]:
    """Write ``reward_report.json`` and ``reward_report.html``, a page that needs nothing else; return the paths.

    Args:
        report: What to write.
        folder: Where to; made if it is not there.

    Raises:
        ImportError: Jinja is not installed.
        PermissionError: The folder cannot be written to.
    """
    data, page = (writable_folder(folder) / f"reward_report.{kind}" for kind in ("json", "html"))
    data.write_text(json.dumps(report.as_dict(), indent=1) + "\n", encoding="utf-8")
    return data, write_page(page, page_of(report))
