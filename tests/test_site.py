"""The pages of the site against the code: messages, extras and options stand there as they are."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import tomllib
from enum import Enum
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from rlframework import SFT, SharedPrefixSampler, algorithms

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MESSAGE = re.compile(r"^\| (.*?`.*?) \| .* \| .* \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


@cache
def texts() -> list[str]:
    """Return every text in the code; what is filled into one is left out of it."""
    found = []
    for file in (ROOT / "rlframework").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


@pytest.mark.parametrize("message", MESSAGE.findall((DOCS / "errors.md").read_text()))
def test_a_message_on_the_page_is_one_of_the_code(message: str) -> None:
    pieces = [piece for code in CODE.findall(message) for piece in code.split("…") if piece]
    assert any(all(piece in text for piece in pieces) for text in texts()), pieces


def test_every_extra_is_explained() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = (DOCS / "install.md").read_text().partition("## Extras")[2]
    rows = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in CODE.findall(row)}
    assert rows == set(extras)


ARGUMENT = re.compile(r"^\| `(\w+)` \|[^|]+\|([^|]*)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
ARGUMENTS = (DOCS / "options.md").read_text().partition("## Arguments")[2].partition("\n## ")[0]
OF_ALGORITHMS, OF_SAMPLERS = map(ARGUMENT.findall, ARGUMENTS.split("### Arguments of samplers"))


@pytest.mark.parametrize("kind", [*(getattr(algorithms, name) for name in algorithms.NAMES), SFT, SharedPrefixSampler])
def test_every_argument_is_on_the_page_with_its_default(kind: type) -> None:
    rows = {name: here for name, *_, here in (OF_SAMPLERS if kind is SharedPrefixSampler else OF_ALGORITHMS)}
    for one in inspect.signature(kind).parameters.values():
        assert one.name in rows, f"{kind.__name__}({one.name})"
        if one.default is not one.empty:
            assert f"`{one.default!r}`" in rows[one.name], f"{kind.__name__}({one.name}={one.default!r})"


@pytest.mark.parametrize("row", [*OF_ALGORITHMS, *OF_SAMPLERS], ids=lambda row: row[0])
def test_defaults_of_trl_are_those_of_the_page(row: tuple[str, ...]) -> None:
    trl = pytest.importorskip("trl")
    if version("trl").split(".")[:2] != ["1", "16"]:
        pytest.skip("the page is about TRL 1.16")
    _, theirs, there, _ = row
    defaults = {one.name: one.default for one in dataclasses.fields(trl.GRPOConfig)}
    names = CODE.findall(theirs)
    assert [repr(str(value) if isinstance(value, Enum) else value) for value in map(defaults.get, names)] == (
        CODE.findall(there) if there.strip() else [repr(None)] * len(names)
    )
