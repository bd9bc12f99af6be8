"""What a release says of itself agrees: pyproject.toml, the top of CHANGELOG.md, CITATION.cff, what is installed."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

ROOT = Path(__file__).parents[1]
SECTION = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?$", re.MULTILINE)


def disagreements(project, citation, changelog):
    """Return what does not agree, in words.

    A changelog that begins with [Unreleased] is of a version in the making: no section has its number yet, and nothing
    says when it was released. One that begins with a version is of that release.
    """
    sections = SECTION.findall(changelog)
    (top, date), released = sections[0], {name for name, _ in sections if name != "Unreleased"}
    found = []
    for name in ("version", "license"):
        if str(citation[name]) != project[name]:
            found.append(f"{name}: {project[name]} in pyproject.toml, {citation[name]} in CITATION.cff")
    if sorted(citation["keywords"]) != sorted(project["keywords"]):
        found.append("keywords of pyproject.toml and CITATION.cff")
    if citation["repository-code"] != project["urls"]["Source"]:
        found.append("Source of pyproject.toml and repository-code of CITATION.cff")
    dated = str(citation.get("date-released", ""))
    if top == "Unreleased":
        found += [f"{project['version']} is released, and [Unreleased] is not: give pyproject.toml the next number"] * (
            project["version"] in released
        )
        found += ["CITATION.cff has a date-released, and CHANGELOG.md begins with [Unreleased]"] * bool(dated)
        newest = max(map(Version, released), default=Version("0"))
        if Version(project["version"]) < newest:
            found.append(f"pyproject.toml says {project['version']}, and {newest} was released before")
    else:
        if top != project["version"]:
            found.append(f"CHANGELOG.md begins with {top}, pyproject.toml says {project['version']}")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
            found.append(f"CHANGELOG.md has no date of {top}: ## [{top}] - YYYY-MM-DD")
        if dated != date:
            found.append(f"CITATION.cff says date-released: {dated or 'nothing'}, CHANGELOG.md {date}")
    return found


def files():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project, yaml.safe_load((ROOT / "CITATION.cff").read_text()), (ROOT / "CHANGELOG.md").read_text()


def test_version_changelog_and_citation_agree():
    assert disagreements(*files()) == []


def test_what_is_installed_is_this_version():
    project, _, _ = files()
    assert version("rlframework") == project["version"]


@pytest.mark.parametrize(
    ("changelog", "changes", "words"),
    [
        ("## [1.0.0] - 2027-01-31", {"date-released": "2027-01-31"}, None),
        ("## [1.0.0] - 2027-01-31", {}, "date-released: nothing"),
        ("## [1.0.0] - 2027-01-31", {"date-released": "2027-02-01"}, "date-released: 2027-02-01"),
        ("## [1.0.0]", {}, "no date of 1.0.0"),
        ("## [1.1.0] - 2027-01-31", {"date-released": "2027-01-31"}, "begins with 1.1.0"),
        ("## [Unreleased]", {}, None),
        ("## [Unreleased]\n## [0.9.0] - 2026-01-31", {}, None),
        ("## [Unreleased]\n## [1.0.0] - 2027-01-31", {}, "give pyproject.toml the next number"),
        ("## [Unreleased]\n## [2.0.0] - 2027-01-31", {}, "2.0.0 was released before"),
        ("## [Unreleased]", {"date-released": "2027-01-31"}, "has a date-released"),
        ("## [Unreleased]", {"version": "0.9.0"}, "version: 1.0.0 in pyproject.toml, 0.9.0"),
        ("## [Unreleased]", {"license": "MIT"}, "license"),
    ],
)
def test_what_does_not_agree_is_found(changelog, changes, words):
    project, citation, _ = files()
    project = project | {"version": "1.0.0"}
    citation = citation | {"date-released": "", "version": "1.0.0"} | changes
    found = disagreements(project, citation, changelog)
    assert (words in " ".join(found)) if words else not found
