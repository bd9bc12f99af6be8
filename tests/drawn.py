"""A part of many like cases is drawn for ``make test``; the others are left to ``make test-long``."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

import pytest


def drawn(cases: Iterable[Any] | Mapping[str, Any], kept: Container[str]) -> list[Any]:
    """Return parameters of which those that are not kept are slow.

    Args:
        cases: Names, classes, or tuples of names; or tuples of arguments by name.
        kept: Names of those for ``make test``; of a class its own, of a tuple the names with dashes between.
    """
    named = cases if isinstance(cases, Mapping) else {_name(case): [case] for case in cases}
    return [
        pytest.param(*arguments, id=name, marks=() if name in kept else pytest.mark.slow)
        for name, arguments in named.items()
    ]


def _name(case: Any) -> str:
    if isinstance(case, tuple):
        return "-".join(case)
    return case if isinstance(case, str) else str(case.__name__)
