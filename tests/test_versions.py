"""Version ranges: every dependency has an oldest version to test with, and docs/versions.md says what was tried."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What is run, and not what it is checked with.
NEEDED = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()}
OPTIONAL = [one for name, lines in EXTRAS.items() if name not in ("test", "lint", "docs", "unsloth") for one in lines]
ROW = re.compile(r"^\| `([\w-]+)` \| `([^|`]+)` \| ([^| ]+) \| ([^| ]+) \|", re.MULTILINE)
TRIED = {name: cells for name, *cells in ROW.findall((ROOT / "docs" / "versions.md").read_text())}


def floor(requirement):
    return next((Version(one.version) for one in requirement.specifier if one.operator == ">="), None)


@pytest.mark.parametrize("requirement", [*NEEDED, *OPTIONAL, *EXTRAS["test"][1:]], ids=lambda one: one.name)
def test_every_dependency_has_an_oldest_version(requirement):
    assert floor(requirement), f"{requirement}: `make test-floors` would take the first version that was ever published"


@pytest.mark.parametrize("requirement", [*NEEDED, *OPTIONAL], ids=lambda one: one.name)
def test_the_page_says_what_was_tried(requirement):
    allowed, oldest, newest = TRIED[requirement.name]
    assert Requirement(f"{requirement.name}{allowed}").specifier == requirement.specifier
    assert Version(oldest) == floor(requirement)
    assert newest in requirement.specifier
