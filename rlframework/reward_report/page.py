"""The reward report as one HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from rlframework.pages.page import page
from rlframework.reward_report.result import RewardReport

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_MISTAKES = 3
SHOWN_CHARACTERS = 600


def page_of(report: RewardReport) -> str:
    """Return the whole page.

    Args:
        report: What is shown.

    Raises:
        ImportError: Jinja is not installed.
    """
    families = dict.fromkeys(result.family for result in report.results)
    values = {
        "report": report,
        "silent": sum(result.abstained + result.failed for result in report.results),
        "tried": sum(result.rows for result in report.results),
        "problems": list(report.problems()),
        "partly": report.paid_in_part(),
        "families": {family: [one for one in report.results if one.family == family] for family in families},
        "shown_mistakes": SHOWN_MISTAKES,
        "cut": _cut,
    }
    return page("reward_report.html.jinja", values, folders=[TEMPLATES], styles=["reward_report.css"])


def _cut(text: str) -> str:
    half = SHOWN_CHARACTERS // 2
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:half]} ... {text[-half:]}"
