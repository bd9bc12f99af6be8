"""Every Python block of the README and the docs runs, page by page; every link and file named there exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://)([^)#]+)(#[^)]*)?\)")


def page_id(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=page_id)
def test_code_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for number, block in enumerate(BLOCK.findall(page.read_text())):
        exec(compile(block, f"{page.name}, block {number + 1}", "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page):
    missing = [target for target, _ in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not missing


def test_the_program_of_the_readme_is_at_most_twenty_lines():
    program = BLOCK.findall((ROOT / "README.md").read_text())[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 20


def test_the_tree_of_the_readme_names_every_file():
    tree = (ROOT / "README.md").read_text().partition("## The tree")[2]
    parts = {path.name for path in (ROOT / "rlframework").rglob("*.py")}
    for part in parts - {"__init__.py"}:
        assert part in tree, f"{part} is missing in the README's tree"
