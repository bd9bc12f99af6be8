"""The package's description: README.md with links that work on a package index. All else is in pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://)([^)\s]+)\)")


def description() -> str:
    """Return README.md with absolute links, to the files of this version."""
    place = PROJECT["urls"]["Source"].removeprefix("https://github.com/") + "/{}v" + PROJECT["version"]
    pages = "https://github.com/" + place.format("blob/")
    pictures = "https://raw.githubusercontent.com/" + place.format("")

    def absolute(link: re.Match[str]) -> str:
        picture, text, path = link.groups()
        path = f"README.md{path}" if path.startswith("#") else path
        return f"{picture}[{text}]({pictures if picture else pages}/{path})"

    return _LINK.sub(absolute, (ROOT / "README.md").read_text(encoding="utf-8"))


setup(long_description=description(), long_description_content_type="text/markdown")
