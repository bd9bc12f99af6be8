"""Equivalence of two expressions as functions: their values at many points, to many digits.

Two different expressions that a short answer can hold agree to 50 digits at a dozen random points only if they are
built to; a second look at several hundred digits takes care of those.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mpmath

from rlframework.rewards.math.exact import TooLargeError, exact_value
from rlframework.rewards.math.syntax import Degree, Node, Number, Operation, Symbol, UnreadableError

# To how many digits, and at how many points; fewer digits where a factorial makes each of them dear.
LOOKS = ((60, 20), (1_500, 4))
SHORTER_LOOKS = ((60, 20), (450, 4))
FEWEST_POINTS = 3
# How many points are looked at for each that has to say something: the domain of an answer may be small.
TRIED = 4
# Sizes of the values of variables: another branch of a function may begin anywhere.
SCALES = (1, 3, 10, 1, 30, 300, 2, 5_000, 20, 1, 100, 5, 1_000_000, 3, 50)
MAX_FUNCTIONS = 80
# Beyond these a value is not followed up: the next exponential of it would not fit into any memory.
LARGEST_DIGITS = 3_000
# Nor one so small that it would be taken for the rounding of 0; only what cancels may be smaller.
SMALLEST_DIGITS = 1_000
SMALLEST_DIGITS_SHORTER = 250
LARGEST_ARGUMENT = 5_000

_CIRCULAR = ("sin", "cos", "tan", "cot", "sec", "csc")
_HYPERBOLIC = ("sinh", "cosh", "tanh", "coth", "sech", "csch")

Values = Mapping[str, Any]


class _Precision(threading.local):
    """A context of mpmath for each thread: precision is a setting of the context, and the shared one is everyone's."""

    def __init__(self) -> None:
        self.mp = mpmath.MPContext()
        self.smallest_digits = SMALLEST_DIGITS


_OWN = _Precision()


def same_function(left: Node, right: Node) -> bool:
    """Return whether two scalars have the same value wherever both have one.

    Raises:
        UnreadableError: One of them is no scalar.
        TooLargeError: A value on the way is too large.
    """
    try:
        exact = exact_value(left), exact_value(right)
    except ZeroDivisionError:
        return False
    if None not in exact:
        return exact[0] == exact[1]
    names = sorted(_variables(left) | _variables(right))
    dear = _holds_factorial(left) or _holds_factorial(right)
    _OWN.smallest_digits = SMALLEST_DIGITS_SHORTER if dear else SMALLEST_DIGITS
    return all(_agree(left, right, names, *look) for look in (SHORTER_LOOKS if dear else LOOKS))


def ratio_of_functions(left: Node, right: Node) -> Any:
    """Return the constant that ``left`` is of ``right``, or None if there is none: 2x - 6 is twice x - 3."""
    names = sorted(_variables(left) | _variables(right))
    dear = _holds_factorial(left) or _holds_factorial(right)
    _OWN.smallest_digits = SMALLEST_DIGITS_SHORTER if dear else SMALLEST_DIGITS
    found = None
    for look in SHORTER_LOOKS if dear else LOOKS:
        found = _constant_ratio(left, right, names, *look)
        if found is None:
            return None
    return found


def _constant_ratio(left: Node, right: Node, names: list[str], digits: int, points: int) -> Any:
    with _OWN.mp.workdps(digits):
        pairs = [pair for pair in _pairs(left, right, names, points) if not _nothing(pair[1])]
        ratios = [above / below for above, below in pairs]
        if len(ratios) < FEWEST_POINTS or any(map(_nothing, ratios)):
            return None
        return ratios[0] if all(_close(ratio, ratios[0]) for ratio in ratios) else None


def differ_by_constant(left: Node, right: Node) -> bool:
    """Return whether the difference of two functions is the same at all points: of antiderivatives, on all branches."""
    names = sorted(_variables(left) | _variables(right))
    return all(_constant_difference(left, right, names, *look) for look in LOOKS)


def _constant_difference(left: Node, right: Node, names: list[str], digits: int, points: int) -> bool:
    with _OWN.mp.workdps(digits):
        # Of values of half as many digits the difference would be rounding.
        largest = _OWN.mp.mpf(10) ** (digits // 3)
        pairs = [pair for pair in _pairs(left, right, names, points) if max(map(abs, pair)) < largest]
        found = [one - other for one, other in pairs]
        close = _OWN.mp.mpf(10) ** (15 + digits // 3 - digits)
        return len(found) >= points // 2 and all(abs(difference - found[0]) < close for difference in found)


@contextmanager
def precision(digits: int) -> Iterator[Any]:
    """Work to so many digits, with the context of mpmath that is given."""
    with _OWN.mp.workdps(digits):
        yield _OWN.mp


def _agree(left: Node, right: Node, names: list[str], digits: int, points: int) -> bool:
    met = 0
    with _OWN.mp.workdps(digits):
        for pair in _pairs(left, right, names, points):
            if not _close(*pair):
                return False
            met += 1
    return met >= (min(FEWEST_POINTS, points // 2) if names else 1)


def _pairs(left: Node, right: Node, names: list[str], count: int) -> Iterator[tuple[Any, Any]]:
    """Yield both values at up to ``count`` points where they say something, of at most ``TRIED`` times as many.

    Of functions of real variables, a point where neither has a real value says nothing: a root there is one of two.
    An n that the first has in ``(-1)^n`` stands for whole numbers.
    """
    whole = _whole_numbers(left)
    real = bool(names) and not (_holds_imaginary(left) or _holds_imaginary(right))
    met = 0
    for values in _points(names, TRIED * count, whole):
        pair = _values(left, right, values)
        if pair is None or (real and not any(map(_is_real, pair))):
            continue
        yield pair
        met += 1
        if met == count:
            return


def _is_real(value: Any) -> bool:
    # The imaginary part may be what rounding left of it.
    return bool(abs(_OWN.mp.im(value)) <= abs(value) * _OWN.mp.mpf(10) ** (10 - _OWN.mp.dps))


def _holds_imaginary(node: Node) -> bool:
    if isinstance(node, Operation):
        return any(map(_holds_imaginary, node.parts))
    return node == Symbol("i")


def _whole_numbers(node: Node) -> set[str]:
    """Return the variables in exponents of negative numbers."""
    if not isinstance(node, Operation):
        return set()
    found = set().union(*map(_whole_numbers, node.parts))
    if node.name == "^" and not _variables(node.parts[0]) and (real_value(node.parts[0]) or 0.0) < 0:
        found |= _variables(node.parts[1])
    return found


def _points(names: list[str], count: int, whole: set[str]) -> Iterator[dict[str, Any]]:
    """Yield values for the variables, the same for the same names: small and large, all positive or of either sign."""
    if not names:
        yield {}
        return
    draw = random.Random(" ".join(names))
    for number in range(count):
        yield {name: _OWN.mp.mpf(draw.randint(1, 99)) if name in whole else _coordinate(draw, number) for name in names}


def _coordinate(draw: random.Random, number: int) -> Any:
    sign = 1 if number % 2 else draw.choice((1, -1))
    return sign * _OWN.mp.mpf(SCALES[number % len(SCALES)] * draw.randint(1_000, 999_983)) / 999_983


def _values(left: Node, right: Node, values: Values) -> tuple[Any, Any] | None:
    """Return both values at a point; None where one of them has none, or one that is too large to be worked out."""
    try:
        pair = value_at(left, values), value_at(right, values)
    except TooLargeError:
        if not values:
            raise
        return None
    except (ArithmeticError, ValueError, mpmath.libmp.NoConvergence) as error:
        if isinstance(error, UnreadableError):
            raise
        return None
    return None if any(_OWN.mp.isnan(part) or _OWN.mp.isinf(part) for part in pair) else pair


def _close(left: Any, right: Any) -> bool:
    size = max(abs(left), abs(right))
    return bool(size == 0 or abs(left - right) <= size * _OWN.mp.mpf(10) ** (10 - _OWN.mp.dps)) or (
        _nothing(left) and _nothing(right)
    )


def _nothing(value: Any) -> bool:
    # What should cancel leaves rounding of the size of what cancelled: at most some thousand, in answers.
    return bool(abs(value) < _OWN.mp.mpf(10) ** (15 - _OWN.mp.dps))


def real_value(node: Node) -> float | None:
    """Return the value of a scalar without variables, to the digits of a float; None if it has no real one."""
    try:
        value = value_at(node, {})
    except (ArithmeticError, ValueError, KeyError, mpmath.libmp.NoConvergence):
        return None
    return float(_OWN.mp.re(value)) if _OWN.mp.im(value) == 0 and _OWN.mp.isfinite(value) else None


def value_at(node: Node, values: Values) -> Any:
    """Return the value of a scalar at a point, in mpmath's present precision.

    Raises:
        UnreadableError: It is no scalar.
        TooLargeError: A value on the way is too large.
        ArithmeticError: It has no value there.
    """
    if isinstance(node, Number):
        return _OWN.mp.mpf(node.value.numerator) / node.value.denominator
    if isinstance(node, Degree):
        return value_at(node.value, values) * _OWN.mp.pi / 180
    if isinstance(node, Symbol):
        return _symbol(node.name, values)
    if not isinstance(node, Operation):
        raise UnreadableError(f"a {type(node).__name__.lower()} inside an expression")
    if node.name not in _FUNCTIONS:
        raise UnreadableError(f"the function {node.name}")
    parts = [value_at(part, values) for part in node.parts]
    if node.name in ("^", "exp") and not _exponent_fits(node.name, parts):
        raise TooLargeError("an exponential")
    if node.name in (*_CIRCULAR, *_HYPERBOLIC, "cis") and abs(parts[0]) > LARGEST_ARGUMENT:
        raise TooLargeError(f"the argument of {node.name}")
    result = _FUNCTIONS[node.name](*parts)
    size = abs(result)
    if size > _OWN.mp.mpf(10) ** LARGEST_DIGITS:
        raise TooLargeError(f"a value of more than {LARGEST_DIGITS} digits")
    tiny = node.name in ("*", "/", "^", "exp") and 0 < size < _OWN.mp.mpf(10) ** -_OWN.smallest_digits
    if tiny and not _nothing(parts[0]):
        # And no part of it has cancelled before.
        raise TooLargeError(f"a value with {_OWN.smallest_digits} zeros behind the point")
    return result


def _exponent_fits(name: str, parts: list[Any]) -> bool:
    exponent = abs(parts[-1])
    size = _OWN.mp.mpf(1) if name == "exp" else abs(_OWN.mp.log(abs(parts[0]))) if parts[0] != 0 else _OWN.mp.mpf(1)
    return bool(exponent * max(size, 1) < LARGEST_ARGUMENT)


def _symbol(name: str, values: Values) -> Any:
    constants = {"pi": +_OWN.mp.pi, "e": +_OWN.mp.e, "i": _OWN.mp.mpc(0, 1)}
    if name in constants:
        return constants[name]
    if name == "infinity":
        raise UnreadableError("infinity inside an expression")
    return values[name]


def _variables(node: Node) -> set[str]:
    if isinstance(node, Symbol):
        return set() if node.name in ("pi", "e", "i", "infinity") else {node.name}
    if isinstance(node, Degree):
        return _variables(node.value)
    if isinstance(node, Operation):
        return set().union(*map(_variables, node.parts))
    return set()


def functions(node: object) -> int:
    """Return how many operations of any depth a node holds that take more than an addition."""
    if isinstance(node, tuple):
        return sum(map(functions, node))
    own = 0
    if isinstance(node, Operation):
        dear = 1 if all(isinstance(part, Number) for part in node.parts) else 10
        own = {"+": 0, "neg": 0, "*": 0, "/": 0, "factorial": dear, "binom": dear}.get(node.name, 1)
    return own + sum(functions(getattr(node, name)) for name in getattr(node, "__dataclass_fields__", ()))


def _holds_factorial(node: Node) -> bool:
    dear = isinstance(node, Operation) and node.name in ("factorial", "binom")
    return dear or (isinstance(node, Operation) and any(map(_holds_factorial, node.parts)))


def _real_root(radicand: Any, degree: Any) -> Any:
    negative = _OWN.mp.im(radicand) == 0 and _OWN.mp.re(radicand) < 0
    if negative and degree == int(degree.real) and int(degree.real) % 2:
        return -_OWN.mp.root(-radicand, int(degree.real))
    return _OWN.mp.power(radicand, 1 / degree)


def _power(base: Any, exponent: Any) -> Any:
    """Return a power; of a negative number with an exponent such as 1/3 the real one, as for the root."""
    if _OWN.mp.im(base) == 0 and _OWN.mp.re(base) < 0 and _OWN.mp.im(exponent) == 0:
        for degree in (3, 5, 7):
            above = exponent.real * degree
            if (
                abs(above - _OWN.mp.nint(above)) < _OWN.mp.mpf(10) ** (10 - _OWN.mp.dps)
                and _OWN.mp.nint(above) % degree
            ):
                return _real_root(base, _OWN.mp.mpf(degree)) ** int(_OWN.mp.nint(above))
    return _OWN.mp.power(base, exponent)


def _factorial(value: Any) -> Any:
    if abs(value) > 1_000:
        raise TooLargeError("a factorial")
    return _OWN.mp.gamma(value + 1)


def _log(value: Any, base: Any = None) -> Any:
    # Without a base, school mathematics means ten and analysis e; the same on both sides decides.
    if base == 0:
        raise ZeroDivisionError("a logarithm to base 0")
    return _OWN.mp.log(value) / _OWN.mp.log(10 if base is None else base)


def _binomial(above: Any, below: Any) -> Any:
    if max(abs(above), abs(below)) > 1_000:
        raise TooLargeError("a binomial coefficient")
    return _OWN.mp.binomial(above, below)


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    def applied(*values: Any) -> Any:
        if any(_OWN.mp.im(value) != 0 for value in values):
            raise ArithmeticError("an order of complex numbers")
        return choose(*map(_OWN.mp.re, values))

    return applied


def _named(name: str) -> Callable[[Any], Any]:
    return lambda value: getattr(_OWN.mp, name)(value)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": lambda *parts: _OWN.mp.fsum(parts),
    "neg": lambda part: -part,
    "*": lambda left, right: left * right,
    "/": lambda above, below: above / below,
    "^": _power,
    "root": _real_root,
    "factorial": _factorial,
    "binom": _binomial,
    "abs": abs,
    "max": _extreme(max),
    "min": _extreme(min),
    "log": _log,
    "lg": _log,
    "ln": _named("log"),
    **{name: _named(name) for name in (*_CIRCULAR, *_HYPERBOLIC)},
    **{name: _named(name) for name in ("exp", "floor", "ceil")},
    **{f"arc{name}": _named(f"a{name}") for name in _CIRCULAR},
    **{f"{prefix}{name}": _named(f"a{name}") for name in _HYPERBOLIC for prefix in ("ar", "arc")},
    "cis": lambda angle: _OWN.mp.exp(_OWN.mp.mpc(0, 1) * angle),
}
