r"""Derivatives as names: ``\frac{dy}{dx}`` is y', and no quotient of products."""

from __future__ import annotations

import re

_QUOTIENT = re.compile(
    r"\\frac\s*\{\s*(?P<sign>d|\\partial)\s*(?:\^\s*\{?\s*(?P<order>[2-4])\s*\}?)?\s*(?P<function>[A-Za-z])\s*\}\s*"
    r"\{\s*(?P=sign)\s*(?P<variable>[A-Za-z])\s*(?:\^\s*\{?\s*(?P=order)\s*\}?)?\s*\}"
)
_SLASHED = re.compile(r"(?<![A-Za-z\\])d\s?([a-zA-Z])\s*/\s*d\s?([a-z])(?![A-Za-z])")


def as_names(text: str) -> str:
    r"""Return a text with a name for each derivative that is written as a quotient.

    By x it is the primed letter. By anything else, or partial, it has a name of its own.

    Example:
        >>> as_names(r"\frac{dy}{dx} = 2x"), as_names(r"\frac{d^2 y}{dx^2} = 2"), as_names("dy/dx = 2x")
        ("y' = 2x", "y'' = 2", "y' = 2x")
        >>> as_names("df/dx = 2"), as_names(r"\frac{dx}{dt} = 3"), as_names(r"\frac{\partial z}{\partial x}")
        ("f'(x) = 2", 'x_{d/dt} = 3', 'z_{\\partial/\\partial x}')
    """
    if "d" not in text and "partial" not in text:
        return text
    return _QUOTIENT.sub(_name, _SLASHED.sub(r"\\frac{d\1}{d\2}", text))


def _name(quotient: re.Match[str]) -> str:
    sign, function, variable = quotient["sign"], quotient["function"], quotient["variable"]
    order = int(quotient["order"] or 1)
    if sign == "d" and function in "fgh":
        return function + order * "'" + f"({variable})"
    if sign == "d" and variable == "x":
        return function + order * "'"
    apart = " " if sign != "d" else ""
    return f"{function}_{{{order * f'{sign}/'}{sign}{apart}{variable}}}"
