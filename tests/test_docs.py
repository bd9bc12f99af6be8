"""Code blocks of README and docs run, page by page, most behind `make test-docs`; links, files and modules exist."""

import ast
import os
import pkgutil
import re
from pathlib import Path

import pytest

from rlframework.utilities.moved import MOVED

ROOT = Path(__file__).parents[1]
# Those that a newcomer reads first. The blocks of the others run behind `make test-docs`.
FIRST = ["README.md", "docs/index.md", "docs/install.md", "docs/concepts.md", "docs/by_hand.md"]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://)([^)#]+)(#[^)]*)?\)")
FILE = re.compile(r"\b(?:rlframework|tests|recipes|benchmarks|docs)/[\w./*-]+\.\w+")
NAME = re.compile(r"\brlframework(?:\.[A-Za-z]\w*)+")


def page_id(page):
    return str(page.relative_to(ROOT))


def with_blocks():
    for page in PAGES:
        if BLOCK.search(page.read_text()):
            name = page_id(page)
            yield pytest.param(page, id=name, marks=() if name in FIRST else pytest.mark.docs)


@pytest.mark.parametrize("page", with_blocks())
def test_code_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for number, block in enumerate(BLOCK.findall(page.read_text())):
        exec(compile(block, f"{page.name}, block {number + 1}", "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page):
    missing = [target for target, _ in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_and_modules_named_exist(page):
    text = page.read_text()
    assert not [name for name in FILE.findall(text) if not any(ROOT.glob(name))]
    names = set(NAME.findall(text))
    assert not [name for name in names if any(f"{name}.".startswith(f"{old}.") for old in MOVED)]
    for name in names:
        pkgutil.resolve_name(name)


def test_the_program_of_the_readme_is_at_most_twenty_lines():
    program = BLOCK.findall((ROOT / "README.md").read_text())[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 20


def test_the_tree_has_a_line_for_every_file():
    page = ROOT / "docs" / "tree.md"
    if os.environ.get("RLFRAMEWORK_WRITE_TREE"):
        page.write_text(tree())
    assert page.read_text() == tree(), "make tree writes it from the first lines of the docstrings"


def test_the_readme_names_every_folder():
    readme = (ROOT / "README.md").read_text().partition("## The tree")[2]
    folders = {path.parent.relative_to(ROOT / "rlframework") for path in (ROOT / "rlframework").rglob("*.py")}
    assert not [folder for folder in folders if folder.name and f"{folder.name}/" not in readme]


def tree():
    """The page, made from the first line of every module's docstring."""
    lines = ["rlframework/", *branch(ROOT / "rlframework", 1)]
    return "# Every file in a line\n\n```\n" + "\n".join(lines) + "\n```\n"


def branch(folder, depth):
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.suffix == ".py" and path.name != "__init__.py":
            yield f"{'  ' * depth + path.name:28}{first_line(path)}"
        elif (path / "__init__.py").exists():
            yield f"{'  ' * depth + path.name + '/':28}{first_line(path / '__init__.py')}".rstrip()
            yield from branch(path, depth + 1)


def first_line(path):
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0].rstrip(".")
