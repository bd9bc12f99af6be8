"""The exact value of an expression, where it is a fraction. Bounded: nothing here can take long or grow large."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from rlframework.rewards.math.syntax import Node, Number, Operation

MAX_BITS = 60_000
MAX_FACTORIAL = 3_000
MAX_ROOT_BITS = 4_096


class TooLargeError(ValueError):
    """A value of too many digits to be worked out."""


def exact_value(node: Node) -> Fraction | None:
    r"""Return the value of an expression if it is a fraction, else None.

    Raises:
        TooLargeError: The value, or one on the way to it, has more than ``MAX_BITS`` bits.
        ZeroDivisionError: It divides by 0.

    Example:
        >>> from rlframework.rewards.math.parser import read
        >>> [exact_value(read(text)) for text in (r"1\frac{1}{2} + 2^{-1}", r"\sqrt{2}", r"\sqrt{16}")]
        [Fraction(2, 1), None, Fraction(4, 1)]
    """
    if isinstance(node, Number):
        return node.value
    if not isinstance(node, Operation) or node.name not in _RULES:
        return None
    values = []
    for part in node.parts:
        value = exact_value(part)
        if value is None:
            return None
        values.append(value)
    result = _RULES[node.name](*values)
    if result is not None and _bits(result) > MAX_BITS:
        raise TooLargeError(f"a value of {_bits(result)} bits")
    return result


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _sum(*values: Fraction) -> Fraction:
    return sum(values, Fraction(0))


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1:
        root = _root(base, Fraction(exponent.denominator)) if base >= 0 else None
        return None if root is None else _power(root, Fraction(exponent.numerator))
    size = 1 if base in (0, 1, -1) else _bits(base) * abs(exponent.numerator)
    if size > MAX_BITS:
        raise TooLargeError(f"a power of about {size} bits")
    # 0^0 and negative powers of 0 have no value.
    if base == 0 and exponent <= 0:
        raise ZeroDivisionError("a power of 0")
    return base**exponent.numerator


def _root(radicand: Fraction, degree: Fraction) -> Fraction | None:
    if degree.denominator != 1 or not 1 <= degree <= 64:
        return None
    if radicand < 0:
        odd = degree.numerator % 2 == 1
        root = _root(-radicand, degree) if odd else None
        return None if root is None else -root
    above, below = (_integer_root(part, degree.numerator) for part in (radicand.numerator, radicand.denominator))
    return None if above is None or below is None else Fraction(above, below)


def _integer_root(value: int, degree: int) -> int | None:
    if degree == 2:
        root = math.isqrt(value)
    elif value.bit_length() > MAX_ROOT_BITS:
        return None
    else:
        low, high = 0, 1 << (value.bit_length() // degree + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
        root = low
    return root if root**degree == value else None


def _factorial(value: Fraction) -> Fraction | None:
    if value.denominator != 1 or value < 0:
        return None
    if value > MAX_FACTORIAL:
        raise TooLargeError(f"the factorial of a number of {_bits(value)} bits")
    return Fraction(math.factorial(value.numerator))


def _binomial(above: Fraction, below: Fraction) -> Fraction | None:
    if above.denominator != 1 or below.denominator != 1 or above < 0 or below < 0:
        return None
    if above > 100_000 or min(below, above - below) > MAX_FACTORIAL:
        raise TooLargeError("a binomial coefficient")
    return Fraction(math.comb(above.numerator, below.numerator))


def _whole(function: Callable[..., int]) -> Callable[..., Fraction | None]:
    def applied(*values: Fraction) -> Fraction | None:
        integers = [value.numerator for value in values if value.denominator == 1]
        return Fraction(function(*integers)) if len(integers) == len(values) else None

    return applied


_RULES: dict[str, Callable[..., Fraction | None]] = {
    "+": _sum,
    "neg": lambda value: -value,
    "*": lambda left, right: left * right,
    "/": lambda above, below: above / below,
    "^": _power,
    "root": _root,
    "factorial": _factorial,
    "binom": _binomial,
    "abs": abs,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
    "gcd": _whole(math.gcd),
    "lcm": _whole(math.lcm),
    "max": max,
    "min": min,
}
