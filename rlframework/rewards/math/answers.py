"""The kind of an answer: a letter to choose, words, or a mathematical object with or without a unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from rlframework.rewards.math.expressions import FUNCTIONS
from rlframework.rewards.math.normalize import normalize
from rlframework.rewards.math.parser import read
from rlframework.rewards.math.syntax import (
    ALL_REALS,
    SCALARS,
    Based,
    Collection,
    Degree,
    Node,
    Number,
    Percent,
    Quantity,
    Relation,
    Symbol,
    UnreadableError,
    has_variables,
)
from rlframework.rewards.math.unit_names import MAGNITUDES, NOT_UNITS
from rlframework.rewards.math.units import canonical_unit, is_known_unit

MAX_WORDS = 8

_LETTER = re.compile(r"\(?\s*([A-Z])\s*\)?")
_WORDS = re.compile(r"[A-Za-z][A-Za-z' -]*[A-Za-z]\.?")
_LEAD = re.compile(
    r"\#{2,4}\s+|(\\text\s*\{\s*)?(?:(?:so|thus|hence|therefore),?\s+)?(?:the\s+)?(?:final\s+)?"
    r"(?:answer|solution|result)\s*(?:is|:|=)\s*:?\s*(?(1)\}\s*)",
    re.IGNORECASE,
)
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_MONEY = re.compile(r"(-?)\s*(\\\$|\$|us\\?\$|usd|eur|gbp|[€£₹¥])\s*(?=[-.0-9\\(])", re.IGNORECASE)
_ANGLE = re.compile(r"(?:m\s*)?\\angle\s*\{?[A-Z]{1,3}\}?\s*=\s*")
_BASED = re.compile(r"(?:(?:\\text\s*)?\{|\()?([0-9A-Z]+)[)}]?_\{?(?:\\text\s*\{)?([0-9]{1,2})\}{0,2}")
_ALL_NUMBERS = re.compile(r"all\s+real(?:s|\s+numbers)(?:\s+(?:[a-z]\s+)?except(?:\s+for)?\s+(?:[a-z]\s*=\s*)?(.+))?")
# Where a unit may begin: after a blank, at upright words, right behind a digit or bracket.
_BORDER = re.compile(
    r"\s+(?=\(?[A-Za-z])|\s*(?=\\text\s*\{)|(?<=[0-9)}])\s*(?=\\?%|\\?\$|[€£₹¥¢])|(?<=[0-9])(?=[A-Za-z]{2})"
)
# A label and its value, such as "Total = 18 dollars" or "x = $18".
_NAMED = re.compile(r"([A-Za-z][A-Za-z ]{0,30}(?:_\{?[0-9a-z]\}?)?)\s*=\s*([^=<>]+)")
_SCALED = re.compile(
    r"([0-9][0-9,]*(?:\.[0-9]+)?)\s*(hundred|thousand|million|billion|trillion)(?:\s+(.+))?", re.IGNORECASE
)
_TEMPERATURE = re.compile(r"(.+?)\s*\^\{\\circ\}\s*(?:\\text\s*\{\s*([CF])\s*\}|([CF]))")
_SHORT_WORDS = frozenset(
    re.findall(
        r"\w+",
        "yes no odd all one two six ten any sun mon tue wed thu fri sat red",
    )
)
_OPTION = re.compile(r"(?:option|choice)\s+", re.IGNORECASE)
# Words that are mathematics; any other run of letters is compared as it stands.
_MATHEMATICS = frozenset(["pi", "infinity", "inf", "oo"])


@dataclass(frozen=True)
class Letter:
    """A choice among lettered ones."""

    letter: str


@dataclass(frozen=True)
class Words:
    """An answer in words, or in a writing that is compared as it stands."""

    text: str


Answer = Letter | Words | Node


def read_answer(text: str) -> Answer:
    """Read an answer as what it is.

    Raises:
        ValueError: It is too long, has invisible characters, or nothing in it can be read.

    Example:
        >>> read_answer("(C)"), read_answer("The answer is ellipse."), read_answer("18 dollars")
        (Letter(letter='C'), Words(text='ellipse'), Quantity(value=Number(value=Fraction(18, 1)), unit='$'))
    """
    plain = normalize(text)
    plain = normalize(_LEAD.sub("", plain, count=1)) if _LEAD.match(plain) else plain
    if not plain:
        raise UnreadableError("nothing")
    letter = _LETTER.fullmatch(_OPTION.sub("", _TEXT.sub(r"\1", plain), count=1))
    if letter:
        return Letter(letter[1])
    plain = _ANGLE.sub("", re.sub(r"^=\s*", "", plain), count=1)
    based = _BASED.fullmatch(plain)
    if based and not based[1].isalpha() and 2 <= int(based[2]) <= 36:
        return Based(based[1].lstrip("0") or "0", int(based[2]))
    reals = _ALL_NUMBERS.fullmatch(_TEXT.sub(r"\1", plain))
    if reals:
        return read(rf"\mathbb{{R}}\setminus\{{{reals[1]}\}}") if reals[1] else ALL_REALS
    if _is_words(plain):
        return Words(_words(plain))
    try:
        return _with_unit(plain)
    except UnreadableError:
        return Words(_words(plain))


def _is_words(plain: str) -> bool:
    """Whether a text is words and no mathematics: one run of letters, or several of which one is long enough."""
    if not _WORDS.fullmatch(plain) or plain.lower() in _MATHEMATICS:
        return False
    runs = re.findall("[A-Za-z]+", plain)
    return not FUNCTIONS & set(runs) and (len(runs) == 1 or max(map(len, runs)) > 2)


def _words(plain: str) -> str:
    """Return a text in the one writing that texts are compared in.

    Raises:
        UnreadableError: It is a paragraph, or has no letter or digit in it.
    """
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1 ", plain).strip()
    long = re.search("[A-Za-z]{4}|[A-Za-z] [A-Za-z]{3}|[A-Za-z]{3} [A-Za-z0-9]", text) or text.lower() in _SHORT_WORDS
    if long and re.fullmatch(r"[A-Za-z0-9' ,.-]+", text) and not re.fullmatch("[A-H]+", text):
        # But letters to choose, such as ABC, and those of a segment or a product are no words.
        text = re.sub(r"^(?:an?|the)\s+(?=[a-z])", "", text.lower())
    text = re.sub(r"\b([ap])\.\s?m\.?(?![a-z])", r"\1m", text, flags=re.IGNORECASE)
    text = " ".join(text.split()).rstrip(".")
    if not re.search(r"[A-Za-z0-9]", text):
        raise UnreadableError("no letter or digit")
    if len(re.findall(r"[A-Za-z]{2,}", text)) > MAX_WORDS:
        raise UnreadableError(f"more than {MAX_WORDS} words")
    if re.fullmatch(r"[0-9: ]*(?:am|pm)?", text, re.IGNORECASE):
        text = text.replace(" ", "").lower()
    return text if "\\" not in text else re.sub(r"\s+", "", text)


def _with_unit(plain: str) -> Node:
    """Read mathematics with a unit, a sign of money, a word such as million, or none of these."""
    named = _NAMED.fullmatch(_TEXT.sub(r"\1", plain, count=1) if plain.startswith("\\text") else plain)
    # A single letter is a name, and what else a unit must not be a label must not be either.
    if named and NOT_UNITS.isdisjoint(word for word in named[1].lower().split() if len(word) > 1):
        value = _with_unit(named[2])
        if not isinstance(value, (Relation, Collection)):
            return Relation((_label(named[1]), value), ("=",))
    money = _MONEY.match(plain)
    if money:
        unit = canonical_unit(money[2].lower().replace("\\", "").replace("us$", "$"))
        return _with_currency(_with_unit(money[1] + plain[money.end() :]), unit or "")
    scaled = _SCALED.fullmatch(plain)
    if scaled:
        value = Number(Fraction(scaled[1].replace(",", "")) * MAGNITUDES[scaled[2].lower()])
        return _measured(value, canonical_unit(scaled[3]) or "?") if scaled[3] else value
    temperature = _TEMPERATURE.fullmatch(plain)
    if temperature:
        return _measured(read(temperature[1]), f"°{temperature[2] or temperature[3]}")
    return _before_unit(plain) or read(plain)


def _before_unit(plain: str) -> Node | None:
    """Return a number with the unit behind it, wherever that begins; None if there is none."""
    for border in _BORDER.finditer(plain):
        rest = plain[border.end() :]
        unit = canonical_unit(_TEXT.sub(r"\1", rest).replace("\\%", "%").replace("\\$", "$").strip("() "))
        adjacent = border[0] == "" and rest[0].isalpha()
        if unit is None or (adjacent and not is_known_unit(rest)):
            continue
        try:
            value = read(plain[: border.start()])
        except UnreadableError:
            continue
        # A single letter behind variables is one of them: the h of pi r^2 h.
        if len(rest) > 2 or not has_variables(value):
            return Percent(value) if unit == "%" else _measured(value, unit)
    return None


def _label(words: str) -> Node:
    """Return the name before an equals sign: a word such as Area is one name, and xy is x times y."""
    return Symbol(words) if max(map(len, words.split())) > 3 else read(words)


def _with_currency(node: Node, currency: str) -> Node:
    """Put a sign of money from before a number to what stands behind it: nothing, its name, or what it is paid for."""
    if not isinstance(node, Quantity):
        return _measured(node, currency)
    if node.unit.partition("/")[0] not in ("", currency, f"{currency} each"):
        raise UnreadableError("two units")
    return Quantity(node.value, currency + node.unit.removeprefix(currency))


def _measured(value: Node, unit: str) -> Node:
    if not isinstance(value, SCALARS):
        raise UnreadableError(f"a unit behind a {type(value).__name__.lower()}")
    return Degree(value) if unit == "°" else Quantity(value, unit)
