"""The page for when it does not work: its figures are logged by these names, its symptoms and links are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "troubleshooting.md"
SYMPTOMS = (
    "My loss is 0",
    "The reward rises and accuracy does not",
    "My reward is flat",
    "All groups have zero spread",
    "Everything is truncated",
    "Out of memory",
    "The sampler is stale",
    "KL is huge at step 1",
    "Half precision",
    "Slow",
)
FIGURE = re.compile(r"\btrain/([\w/]*\w)")
LINK = re.compile(r"\]\(([\w/]*\.md)?#([\w-]+)\)")


def sources() -> str:
    rooms = ("loop", "algorithms", "callbacks", "rewards", "metrics")
    return "\n".join(path.read_text() for room in rooms for path in (ROOT / "rlframework" / room).rglob("*.py"))


def test_every_figure_on_the_page_is_one_that_is_logged() -> None:
    text, code = PAGE.read_text(), sources()
    names = set(FIGURE.findall(text))
    assert len(names) > 20
    for name in names:
        # As a whole, or as one of a family: f"reward/{component}", f"episode/{name}".
        last = name.rpartition("/")[2]
        family = f'f"{name.partition("/")[0]}/{{' in code
        assert (
            f'"{name}"' in code or (family and re.search(rf'"{last}"|{{name}}/{last}', code)) or f'f"{name}/{{' in code
        ), name


def test_a_name_that_is_not_logged_would_be_seen() -> None:
    assert '"rollout_minutes"' not in sources()


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_every_symptom_has_its_section(symptom: str) -> None:
    assert f"\n## {symptom}\n" in PAGE.read_text()


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made of them: lower case, hyphens, no other signs."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["troubleshooting", "from_trl", "from_unsloth", "from_verl"])
def test_links_into_pages_lead_to_a_heading(page: str) -> None:
    path = ROOT / "docs" / f"{page}.md"
    for target, anchor in LINK.findall(path.read_text()):
        assert anchor in anchors(path.parent / target if target else path), f"{target}#{anchor}"
