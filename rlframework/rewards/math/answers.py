"""The kind of an answer: a letter to choose, words, or a mathematical object with or without a unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from rlframework.rewards.math import choices, congruences, derivatives, extremes, named_points, systems, unit_vectors
from rlframework.rewards.math.angles import read_angle
from rlframework.rewards.math.chains import is_value
from rlframework.rewards.math.expressions import FUNCTIONS
from rlframework.rewards.math.latex_text import one_writing
from rlframework.rewards.math.normalize import normalize
from rlframework.rewards.math.parameters import in_signs
from rlframework.rewards.math.parser import read
from rlframework.rewards.math.piecewise import read_piecewise
from rlframework.rewards.math.spelled_numbers import SPELLED, spelled_number
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
from rlframework.rewards.math.unit_names import MAGNITUDES, NOT_UNITS, SYMBOLS
from rlframework.rewards.math.units import canonical_unit, is_known_unit, ratio
from rlframework.rewards.math.wordings import one_wording

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
_ANGLE = re.compile(r"^(?:m\s*)?\\angle\s*\{?[A-Z]{1,3}\}?\s*=\s*")
_BASED = re.compile(
    r"(?:(?:\\text\s*)?\{|\()?([0-9A-Z]+)[)}]?\s*"
    r"(?:_\s*\{?\(?\s*(?:\\text\s*\{)?\s*(?:base\s+)?([0-9]{1,2}|[a-z]{3,9}(?:-[a-z]+)?)\s*\)?\}{0,2}"
    r"|\(?\s*(?:in\s+)?base[ -]([0-9]{1,2}|[a-z]{3,9}(?:-[a-z]+)?)\s*\)?)"
)
# The names of the bases that digits and letters suffice for.
_BASES = {str(base): base for base in range(2, 37)} | {name: base for name, base in SPELLED.items() if base < 37}
_ORDINAL = re.compile(r"(?:the\s+)?([0-9]+)\s*(?:\^\s*)?(?:\\text\s*)?\{?\s*(?:\\text\s*\{)?\s*(st|nd|rd|th)\s*\}{0,2}")
# A letter to choose and what is behind it: (C) 24.
_CHOICE = re.compile(r"\(([A-H])\)[\s:]*(\S.*)")
# The same without brackets about the letter: C. 24, C) 24, C: 24, (C). 24.
_MARKED = re.compile(r"(?P<open>\()?(?P<letter>[A-H])(?P<mark>(?(open)\)[.:]|[.):]))\s*(?P<rest>[^\s.:)].*)")
# Several of them, of which the A of "A and C" is no article.
_LETTERS = re.compile(r"[A-H](?: and [A-H])+")
_NONE = re.compile(
    r"(?:there\s+(?:is|are)\s+)?no\s+(?:(real|integer)\s+)?(?:solutions?|roots?)(?:\s+exists?)?"
    r"|(?:the\s+)?empty\s+set(?:\s+\\emptyset)?",
    re.IGNORECASE,
)
# 2 hours 30 minutes, 5 ft 6 in, 1 h and 20 min.
_PART = r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)"
_PARTS = re.compile(rf"{_PART}(?:,?\s*(?:and\s+)?{_PART}){{1,2}}")
_ALL_NUMBERS = re.compile(
    r"(?:(?:[a-z]\s+(?:is|can\s+be)\s+)?(?:all|any)\s+real(?:s|\s+numbers?|\s+values?)?(?:\s+of)?(?:\s+[a-z])?)"
    r"(?:\s+except(?:\s+for)?\s+(?:[a-z]\s*=\s*)?(.+))?",
    re.IGNORECASE,
)
# Where a unit may begin: after a blank, at upright words, right behind a digit or bracket.
_BORDER = re.compile(
    r"\s+(?=\(?[A-Za-z])|\s*(?=\\text\s*\{)|(?<=[0-9)}])\s*(?=\\?%|\\?\$|[€£₹¥¢])|(?<=[0-9)}])(?=[A-Za-z])"
)
_CAPITAL = re.compile(rf"(?<=[0-9)}}\s])([{''.join(SYMBOLS)}])$")
# A label and its value, such as "Total = 18 dollars" or "x = $18".
_NAMED = re.compile(r"([A-Za-z][A-Za-z ]{0,30}(?:_\{?[0-9a-z]\}?)?)\s*=\s*([^=<>]+)")
# What sets have in common, or hold together, and its value.
_OF_SETS = re.compile(r"([A-Z]\s*\\(?:cap|cup)\s*[A-Z])\s*=\s*([^=<>]+)")
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


# What says the same in a writing that the grammar reads.
_REWRITTEN = (
    lambda plain: _ANGLE.sub("", plain, count=1),
    unit_vectors.with_arrows,
    derivatives.as_names,
    congruences.as_family,
    systems.as_equations,
    extremes.as_equations,
    named_points.as_equations,
    choices.apart,
    in_signs,
)


@dataclass(frozen=True)
class Letter:
    """A choice among lettered ones.

    Args:
        letter: Its letter.
        value: What stands behind the letter, if something does: (C) 24.
        mark: What sets the letter apart from the value: ``()``, ``)``, ``.`` or ``:``.
    """

    letter: str
    value: Node | None = None
    mark: str = "()"


@dataclass(frozen=True)
class Words:
    """An answer in words, or in a writing that is compared as it stands."""

    text: str


NO_SOLUTION = "no solution"


Answer = Letter | Words | Node


def read_answer(text: str, letters_are_units: bool = False, capitals_are_units: bool = False) -> Answer:
    """Read an answer as what it is.

    Args:
        text: The answer.
        letters_are_units: Whether ``60m`` is taken for sixty metres, and not for sixty times m.
        capitals_are_units: Whether ``60 J`` is, for sixty joules; set upright, J is a unit anyway.

    Raises:
        ValueError: It is too long, has invisible characters, or nothing in it can be read.

    Example:
        >>> read_answer("(C)"), read_answer("The answer is ellipse.")
        (Letter(letter='C', value=None, mark='()'), Words(text='ellipse'))
        >>> read_answer("18 dollars")
        Quantity(value=Number(value=Fraction(18, 1)), unit='$')
    """
    plain = normalize(text)
    plain = normalize(_LEAD.sub("", plain, count=1)) if _LEAD.match(plain) else plain
    if not plain:
        raise UnreadableError("nothing")
    # Many blanks in a row would make the searches slow.
    plain = " ".join(re.sub(r"^=\s*", "", plain).split())
    for rewritten in _REWRITTEN:
        plain = rewritten(plain)
    plain = _CAPITAL.sub(r"\\text{ \1}", plain) if capitals_are_units else plain
    whole = _letter(plain) or _whole_number(plain) or _everything_or_nothing(plain)
    if whole is not None:
        return whole
    if _is_words(plain):
        return Words(_words(plain))
    try:
        return _with_unit(plain, letters_are_units)
    except UnreadableError:
        return Words(_words(plain))


def _letter(plain: str) -> Letter | None:
    """Read a letter to choose, with the value behind it or without."""
    upright = _OPTION.sub("", _TEXT.sub(r"\1", plain), count=1)
    letter, marked, choice = (pattern.fullmatch(upright) for pattern in (_LETTER, _MARKED, _CHOICE))
    if letter:
        return Letter(letter[1])
    found = _marked_letter(marked) if marked else None
    if found or choice is None:
        return found
    try:
        value = _with_unit(choice[2], False)
    except UnreadableError:
        return None
    # (A)(C) is two letters, and (A), (C) too.
    return Letter(choice[1], value) if is_value(value) else None


def _marked_letter(marked: re.Match[str]) -> Letter | None:
    """Read a letter with a mark behind it and mathematics behind that, without words and other letters to choose."""
    rest = marked["rest"]
    runs = re.findall("[A-Za-z]+", re.sub(r"\\[A-Za-z]+", " ", rest))
    known = (len(run) == 1 or run in FUNCTIONS | _MATHEMATICS or is_known_unit(run) for run in runs)
    if not all(known) or re.search("[A-H]", "".join(runs)) or not re.search(r"[0-9]|\\[a-z]|[-+^=/<>]", rest):
        return None
    try:
        value = _with_unit(rest, False)
    except UnreadableError:
        return None
    mark = "()" if marked["open"] else marked["mark"]
    # With a colon it may be a ratio, or the name of a curve and its equation.
    return Letter(marked["letter"], value, mark) if mark != ":" or is_value(value) else None


def _whole_number(plain: str) -> Node | None:
    """Read digits in a base, a number in words, or an ordinal one: 52_8, three, 5th."""
    based = _BASED.fullmatch(plain) or _BASED.fullmatch(_TEXT.sub(r"\1", plain))
    base = _BASES.get(based[2] or based[3]) if based else None
    if based and base == 10 and based[1].isdigit():
        return Number(Fraction(based[1]))
    if based and base and base > 1 and not based[1].isalpha():
        return Based(based[1].lstrip("0") or "0", base)
    spelled = spelled_number(_TEXT.sub(r"\1", plain))
    if spelled is not None:
        return Number(spelled)
    ordinal = _ORDINAL.fullmatch(plain)
    if ordinal and ordinal[2] == _ordinal_ending(int(ordinal[1][-2:])):
        return Number(Fraction(ordinal[1]))
    return None


def _ordinal_ending(number: int) -> str:
    return "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _everything_or_nothing(plain: str) -> Answer | None:
    """Read all real numbers in words, that there is no solution, and what has several wordings."""
    upright = _TEXT.sub(r"\1", plain).strip().rstrip(".")
    reals = _ALL_NUMBERS.fullmatch(upright)
    if reals:
        return read(rf"\mathbb{{R}}\setminus\{{{reals[1]}\}}") if reals[1] else ALL_REALS
    said = one_wording(upright)
    if said != upright:
        return Words(said)
    none = _NONE.fullmatch(upright)
    if none is None:
        return None
    return Words(f"no {none[1].lower()} solution" if none[1] else NO_SOLUTION)


def _is_words(plain: str) -> bool:
    """Return whether a text is words and no mathematics: one run of letters, or several of which one is long enough."""
    if not _WORDS.fullmatch(plain) or plain.lower() in _MATHEMATICS or _LETTERS.fullmatch(plain):
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
    if not re.search(r"[A-Za-z0-9]", text) and not choices.is_circled(text):
        raise UnreadableError("no letter or digit")
    if len(re.findall(r"[A-Za-z]{2,}", text)) > MAX_WORDS:
        raise UnreadableError(f"more than {MAX_WORDS} words")
    if re.fullmatch(r"[0-9: ]*(?:am|pm)?", text, re.IGNORECASE):
        text = text.replace(" ", "").lower()
    return one_writing(text) if set("\\^_{") & set(text) else text


def _with_unit(plain: str, letters_are_units: bool) -> Node:
    """Read mathematics with a unit, a sign of money, a word such as million, or none of these."""
    named = _NAMED.fullmatch(_TEXT.sub(r"\1", plain, count=1) if plain.startswith("\\text") else plain)
    # A single letter is a name, and what else a unit must not be a label must not be either.
    if named and NOT_UNITS.isdisjoint(word for word in named[1].lower().split() if len(word) > 1):
        value = _with_unit(named[2], letters_are_units)
        if not isinstance(value, (Relation, Collection)):
            return Relation((_label(named[1]), value), ("=",))
    of_sets = _OF_SETS.fullmatch(plain)
    if of_sets:
        return Relation((Symbol("".join(of_sets[1].split())), read(of_sets[2])), ("=",))
    money = _MONEY.match(plain)
    if money:
        unit = canonical_unit(money[2].lower().replace("\\", "").replace("us$", "$"))
        return _with_currency(_with_unit(money[1] + plain[money.end() :], letters_are_units), unit or "")
    scaled = _SCALED.fullmatch(plain)
    if scaled:
        value = Number(Fraction(scaled[1].replace(",", "")) * MAGNITUDES[scaled[2].lower()])
        return _measured(value, canonical_unit(scaled[3]) or "?") if scaled[3] else value
    temperature = _TEMPERATURE.fullmatch(plain)
    if temperature:
        return _measured(read(temperature[1]), f"°{temperature[2] or temperature[3]}")
    several = (
        read_piecewise(plain)
        or read_angle(plain)
        or _sum_of_quantities(plain)
        or _list_of_quantities(plain, letters_are_units)
    )
    return several or _before_unit(plain, letters_are_units) or read(plain)


def _sum_of_quantities(plain: str) -> Node | None:
    """Read ``2 hours 30 minutes``: known units of one dimension, from large to small."""
    upright = _TEXT.sub(r" \1 ", plain).strip()
    found = [(number, canonical_unit(unit)) for number, unit in re.findall(_PART, upright)]
    if not _PARTS.fullmatch(upright):
        return None
    first = found[0][1] or ""
    factors = [ratio(unit or "", first) for _, unit in found]
    if None in factors or any(later >= earlier for earlier, later in pairwise(factors)):  # type: ignore[operator]
        return None
    value = sum(
        (Fraction(number) * (factor or 0) for (number, _), factor in zip(found, factors, strict=True)), Fraction(0)
    )
    return Quantity(Number(value), first)


def _list_of_quantities(plain: str, letters_are_units: bool) -> Node | None:
    """Read ``17 cm and 24 cm``: several numbers of the same unit."""
    parts = re.split(r",\s+(?:and\s+)?|\s+and\s+", _TEXT.sub(r" \1 ", plain).strip())
    if len(parts) < 2 or not all(re.match(r"-?[0-9]", part) for part in parts):
        return None
    items = tuple(_before_unit(part.strip(), letters_are_units) for part in parts)
    units = {item.unit if isinstance(item, Quantity) else None for item in items}
    return Collection("list", items) if len(units) == 1 and None not in units else None  # type: ignore[arg-type]


def _before_unit(plain: str, letters_are_units: bool) -> Node | None:
    """Return a number with the unit behind it, wherever that begins; None if there is none."""
    for border in _BORDER.finditer(plain):
        rest = plain[border.end() :]
        words = _TEXT.sub(r"\1", rest).replace("\\%", "%").replace("\\$", "$").strip("() ")
        symbol = SYMBOLS.get(words.strip()) if rest.startswith("\\text") else None
        unit = symbol or canonical_unit(words)
        adjacent = border[0] == "" and rest[0].isalpha()
        if unit is None or (adjacent and not (is_known_unit(rest) and (len(unit) > 1 or letters_are_units))):
            continue
        try:
            value = read(plain[: border.start()])
        except UnreadableError:
            continue
        if unit == "%" and not isinstance(value, SCALARS):
            continue
        # A single letter behind variables is one of them: the h of pi r^2 h.
        if len(rest) > 2 or not has_variables(value):
            return Percent(value) if unit == "%" else _measured(value, unit)
    return None


def _label(words: str) -> Node:
    """Return the name before an equals sign: a word such as Area is one name, and xy is x times y."""
    return Symbol(words) if max(map(len, re.findall("[A-Za-z]+", words))) > 3 else read(words)


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
