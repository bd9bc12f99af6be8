"""Comparing what a program claims with what is expected, in the parent, by type and whole."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from rlframework.rewards.code.driver import encode


def same_value(claim: bytes, expected: Any, tolerance: float | None = None) -> bool:
    """Return whether the encoded result of a function is the expected value.

    Without a tolerance the types are the same all through: 1 is not 1.0, True is not 1, a tuple is no list. With
    one, ints and floats (and no bools) are numbers that may differ by ``tolerance * max(1, |expected|)``;
    keys of a dict and elements of a set are exact all the same.

    Args:
        claim: JSON as `driver.encode` makes it, from a program that may have written it by hand.
        expected: A value of built-in types.
        tolerance: For numbers; 0.0 lets 1 be 1.0 and no more.

    Example:
        >>> [same_value(claim, 1) for claim in (b"1", b"true", b'{"float": "0x1.0000000000000p+0"}')]
        [True, False, False]
        >>> same_value(b'{"float": "0x1.0000000000000p+0"}', 1, tolerance=0.0)
        True
    """
    try:
        tree = json.loads(claim)
        if tolerance is not None:
            return _near(tree, encode(expected), Fraction(tolerance))
        # As text, since to Python the trees [True] and [1] are equal.
        return json.dumps(tree, sort_keys=True) == json.dumps(encode(expected), sort_keys=True)
    except (ValueError, OverflowError, RecursionError):
        return False


def same_output(output: bytes, expected: str) -> bool:
    r"""Return whether a program's stdout is the expected text, but for blanks at line ends and blank lines at the end.

    Example:
        >>> same_output(b"1 2\n3\n", "1 2 \n3"), same_output(b"1 2\n", "1 2\n3"), same_output(b"1  2", "1 2")
        (True, False, False)
    """
    try:
        return _lines(output.decode()) == _lines(expected)
    except UnicodeDecodeError:
        return False


def _lines(text: str) -> list[str]:
    # Line feeds alone: `splitlines` would let other characters stand for them.
    lines = [line.rstrip(" \t\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _near(tree: Any, expected: Any, tolerance: Fraction) -> bool:
    if isinstance(expected, list):
        return (
            isinstance(tree, list)
            and len(tree) == len(expected)
            and all(_near(item, other, tolerance) for item, other in zip(tree, expected, strict=True))
        )
    number = _number(expected)
    if number is not None:
        claimed = _number(tree)
        return claimed is not None and abs(claimed - number) <= tolerance * max(Fraction(1), abs(number))
    if isinstance(expected, dict) and isinstance(tree, dict) and expected.keys() == tree.keys():
        ((kind, body),) = expected.items()
        if kind == "tuple":
            return _near(tree[kind], body, tolerance)
        if kind == "dict" and isinstance(tree[kind], list) and len(tree[kind]) == len(body):
            pairs = zip(tree[kind], body, strict=True)
            return all(
                isinstance(pair, list)
                and len(pair) == 2
                and json.dumps(pair[0]) == json.dumps(other[0])
                and _near(pair[1], other[1], tolerance)
                for pair, other in pairs
            )
    return json.dumps(tree) == json.dumps(expected)


def _number(tree: Any) -> Fraction | None:
    """Return a finite number of a tree, exactly; None for anything else."""
    if type(tree) is int:
        return Fraction(tree)
    if not isinstance(tree, dict) or len(tree) != 1:
        return None
    ((kind, body),) = tree.items()
    if not isinstance(body, str):
        return None
    if kind == "int":
        return Fraction(int(body, 16))
    if kind == "float" and body not in ("inf", "-inf", "nan"):
        return Fraction(float.fromhex(body))
    return None
