"""The gold, the expected answer of a row, as text: from any kind of column, and none where nothing can be right."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rlframework.rewards.numerals import parse_number

# A blank, and what pandas and JSON make of a missing value where a column is turned into text.
_MISSING = frozenset(["", "nan", "NaN", "<NA>", "NaT"])


def gold_text(value: Any) -> str | None:
    r"""Return the expected answer that a column holds, spelled out; None if nothing can be compared with it.

    Text is taken as it stands, but for blanks about it. A number is written without an exponent: 1e-05 is 0.00001,
    34.0 is 34. A list, an array and a tensor hold all the values that are asked for, in any order: ``2, -3``; a tuple
    is one ordered answer: ``(2, -3)``; a set is ``\{2, -3\}``. Nothing can be compared with None, NaN, infinity, what
    ``str`` makes of a missing value (``nan``, ``<NA>``, ``NaT``), a blank, an empty list, lists of lists, a list with
    an item that is a list itself, a dict, or an object of another type: such a row is unverifiable, and never a wrong
    answer.

    Example:
        >>> [gold_text(value) for value in (" 34 ", 34.0, 1e-05, Decimal("2.50"), Fraction(3, 4), True, b"x + 1")]
        ['34', '34', '0.00001', '2.50', '3/4', 'True', 'x + 1']
        >>> [gold_text(value) for value in (["2", "-3"], (2, -3), {2, -3}, ["1,250"])]
        ['2, -3', '(2, -3)', '\\{-3, 2\\}', '1,250']
        >>> [gold_text(value) for value in (None, float("nan"), "  ", [], [[1, 2], [3, 4]], {"x": 2}, object())]
        [None, None, None, None, None, None, None]
    """
    for kind, spelled in _KINDS:
        if isinstance(value, kind):
            return spelled(value)
    return _of_array(value)


def _of_text(value: str) -> str | None:
    text = value.strip()
    # Blank is also what cannot be seen, such as a mark of byte order.
    seen = "".join(filter(str.isprintable, text)).strip()
    return text if seen and text not in _MISSING else None


def _of_bytes(value: bytes) -> str | None:
    try:
        return _of_text(value.decode())
    except UnicodeDecodeError:
        return None


def _of_float(value: float) -> str | None:
    if not math.isfinite(value):
        return None
    # The shortest digits that give this float again, which are those that somebody wrote down.
    return format(Decimal(repr(float(value))), "f").removesuffix(".0")


def _of_date(value: datetime.date) -> str | None:
    """Spell out a day, and the time if there is one: readers of JSON take 2020-01-01 for a moment at midnight."""
    if value != value:  # pandas' missing one
        return None
    moment = isinstance(value, datetime.datetime) and value.time() != datetime.time()
    return value.isoformat() if moment else value.isoformat()[:10]


def _of_decimal(value: Decimal) -> str | None:
    return format(value, "f") if value.is_finite() else None


def _of_all(values: Iterable[Any]) -> str | None:
    items = list(values)
    return _joined(items) if len(items) != 1 else gold_text(items[0])


def _of_tuple(values: tuple[Any, ...]) -> str | None:
    inner = _joined(values)
    return gold_text(values[0]) if len(values) == 1 else inner and f"({inner})"


def _of_set(values: Iterable[Any]) -> str | None:
    inner = _joined(sorted(map(gold_text, values), key=str))
    return inner and rf"\{{{inner}\}}"


def _joined(values: Iterable[Any]) -> str | None:
    """Return items with commas between them; None if one of them is none, or holds such a comma itself."""
    items = []
    for value in values:
        text = None if isinstance(value, (list, set, frozenset)) else gold_text(value)
        number = None if text is None else parse_number(text)
        text = text if number is None else format(number, "f")
        if text is None or _holds_separator(text):
            return None
        items.append(text)
    return ", ".join(items) or None


def _holds_separator(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character in ",;" and depth <= 0:
            return True
    return False


def _of_array(value: Any) -> str | None:
    """Spell out a scalar, an array or a tensor of NumPy, PyTorch or pandas: what knows its own Python values."""
    values = value.tolist() if callable(getattr(value, "tolist", None)) else None
    if values is None or isinstance(values, type(value)):
        return None
    text = gold_text(values)
    return text if text is None or not _is_narrow(value) else gold_text(_as_written(values, value))


def _is_narrow(value: Any) -> bool:
    return str(getattr(value, "dtype", "")).rpartition(".")[2] in ("float32", "float16", "bfloat16")


def _as_written(number: Any, narrow: Any) -> Any:
    """Return the floats that narrower ones were written as: 0.1 in float32 stands for 0.1, not for 0.10000000149."""
    if isinstance(number, list):
        return [_as_written(one, narrow) for one in number]
    if number is None or not math.isfinite(number) or (number == int(number) and abs(number) < 2**24):
        return number  # None of a masked array.
    cast = narrow.new_tensor if hasattr(narrow, "new_tensor") else narrow.dtype.type
    # The fewest digits that the type rounds to the same.
    written = (float(f"{number:.{digits}g}") for digits in range(1, 18))
    return next(short for short in written if float(cast(short)) == number)


# bool is an int, and NumPy's float64 a float.
_KINDS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str | None]], ...] = (
    (str, _of_text),
    ((bytes, bytearray, memoryview), lambda value: _of_bytes(bytes(value))),
    (int, str),
    (float, _of_float),
    (Decimal, _of_decimal),
    (datetime.date, _of_date),
    (Fraction, str),
    (list, _of_all),
    (tuple, _of_tuple),
    ((set, frozenset), _of_set),
)
