"""The names of units, the exact factors between them, and the words that are none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

# Names that mean one unit, the first being what it is called here, and how much it is of its dimension's own unit. The
# factors are exact by definition; they are those of the default registry of Pint.
_DIMENSIONS: dict[tuple[str, int], dict[str, str]] = {
    ("money", 1): {"$ dollar dollars usd buck bucks": "1", "¢ cent cents": "1/100"},
    ("euro", 1): {"€ euro euros eur": "1"},
    ("pound sterling", 1): {"£ gbp": "1"},
    ("rupee", 1): {"₹ rupee rupees rs inr": "1"},
    ("yen", 1): {"¥ yen": "1"},
    ("length", 1): {
        "m meter meters metre metres": "1",
        "in inch inches": "254/10000",
        "ft foot feet": "3048/10000",
        "yd yard yards": "9144/10000",
        "mi mile miles": "1609344/1000",
        "furlong furlongs": "201168/1000",
    },
    ("length", 2): {
        "ha hectare hectares": "10000",
        "acre acres": "40468564224/10000000",
    },
    ("length", 3): {
        "l liter liters litre litres": "1/1000",
        "cc": "1/1000000",
        "gal gallon gallons": "3785411784/1000000000000",
        "qt quart quarts": "946352946/1000000000000",
        "pt pint pints": "473176473/1000000000000",
        "cup cups": "2365882365/10000000000000",
        "tbsp tablespoon tablespoons": "1478676478125/100000000000000000",
        "tsp teaspoon teaspoons": "492892159375/100000000000000000",
    },
    ("mass", 1): {
        "g gram grams gm": "1",
        "lb lbs pound pounds": "45359237/100000",
        "oz ounce ounces": "45359237/1600000",
        "stone": "635029318/100000",
        "ton tons": "90718474/100",
        "tonne tonnes": "1000000",
    },
    ("time", 1): {
        "s sec secs second seconds": "1",
        "min mins minute minutes": "60",
        "h hr hrs hour hours": "3600",
        "day days": "86400",
        "week weeks": "604800",
        "fortnight fortnights": "1209600",
    },
    ("angle", 1): {"° degree degrees deg": "1", "rad radian radians": "0"},
    ("share", 1): {"% percent": "1"},
    ("month", 1): {"month months": "1"},
    ("year", 1): {"year years yr yrs": "1"},
    ("unit", 1): {"unit units": "1"},
    # Of their symbols those that mean the same in small letters; of a single capital see `SYMBOLS`.
    ("energy", 1): {"joule joules": "1", "kj kilojoule kilojoules": "1000", "kwh": "3600000"},
    ("force", 1): {"newton newtons": "1", "kilonewton kilonewtons": "1000"},
    ("power", 1): {"watt watts": "1", "kw kilowatt kilowatts": "1000", "megawatt megawatts": "1000000"},
    ("tension", 1): {"volt volts": "1"},
    ("frequency", 1): {"hz hertz": "1", "khz kilohertz": "1000", "megahertz": "1000000"},
    ("pressure", 1): {"pa pascal pascals": "1", "kpa kilopascal kilopascals": "1000"},
    ("amount", 1): {"mol mole moles": "1"},
}
# Capitals that are a unit where they are set upright, and variables anywhere else.
SYMBOLS = {"J": "joule", "N": "newton", "W": "watt", "V": "volt"}
# The prefixes of SI before the units that schools measure in, by symbol and by name.
_PREFIXES = {
    **{"k": ("kilo", 3), "h": ("hecto", 2), "d": ("deci", -1), "c": ("centi", -2), "m": ("milli", -3)},
    **{"µ": ("micro", -6), "n": ("nano", -9)},
}
_PREFIXED = {
    "m": (("meter", "metre"), "khdcmµn"),
    "g": (("gram",), "kcmµ"),
    "l": (("liter", "litre"), "hdcmµ"),
    "s": (("second",), "mµn"),
}


class Unit(NamedTuple):
    """A unit of measurement, or of money.

    Args:
        name: What it is called here.
        dimension: What it measures, such as length.
        power: To which power: 3 for a volume.
        factor: How much it is of the dimension's own unit; 0 where there is no exact factor.
    """

    name: str
    dimension: str
    power: int
    factor: Fraction


def _units() -> Iterator[tuple[str, Unit]]:
    plain = {
        name: Unit(names.split()[0], *dimension, Fraction(factor))
        for dimension, units in _DIMENSIONS.items()
        for names, factor in units.items()
        for name in names.split()
    }
    yield from plain.items()
    for symbol, (words, prefixes) in _PREFIXED.items():
        for prefix in prefixes:
            spelled, exponent = _PREFIXES[prefix]
            unit = plain[symbol]._replace(name=prefix + symbol, factor=plain[symbol].factor * Fraction(10) ** exponent)
            yield from ((name, unit) for word in words for name in (spelled + word, f"{spelled}{word}s"))
            yield unit.name, unit
    yield from (("kgs", Unit("kg", "mass", 1, Fraction(1000))), ("gms", plain["g"]))


UNITS: dict[str, Unit] = dict(_units())
"""By any of its names, in small letters: a unit."""

# What a number is multiplied by; "18 thousand" is no 18.
MAGNITUDES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
TOGETHER = {"mph": "mi/h", "kph": "km/h", "kmh": "km/h", "kmph": "km/h"}

# Several of something without an s at the end.
ODD_PLURALS = frozenset(re.findall(r"\w+", "people men women children teeth mice geese fish sheep deer dice cattle"))

# What may stand before a noun and changes nothing: no other adjective is let through.
ADJECTIVES = frozenset(
    re.findall(
        r"\w+",
        """
        red blue green yellow white black brown orange purple pink gray silver golden big small large little long tall
        new old full whole empty young male female adult different distinct unique individual possible total
        extra additional
        chocolate square cubic us english school
        """,
    )
)

# How the plural of a number word ends, and of those that multiply.
NUMBER_ENDINGS = ("illion", "illions", "folds", "buck", "bucks")

# Words behind a number that change it, doubt it or go on with it, besides `NUMBER_WORDS`. A unit has none of them.
NOT_UNITS = frozenset(
    re.findall(
        r"[^\s]+",
        """
        a about above absolute all almost also alternatively alternatives although always an and another answer
        answers any approx approximately are around as at base basis be because below best between binary bn
        both bps but by can cannot celsius circa could cubed cubes differences digits dime dimes divided double
        doubled doubles e each eighteenths either eleventh elevenths else equal equals error errors estimated
        even exactly except exponents factorial factorials fahrenheit false falsehoods few fewer fifteenths
        fiftieths for fortieths fourteenths from gigas guess guesses halved halves have hence hex hexadecimal
        hundredweight hundredweights i if ignore incorrect inf infinity instead inverses is it k kelvin kilo
        kilodollars kilos less let lies logarithms logs lots many maybe mean megabucks megas mil millennia
        millennium mills mils minus minuses mod modulo modulos more most much multiples nan nearly negated
        negative negatives neither never nickel nickels nineteenths no none nope nor not nothing null numbers
        octal odd of-course off once only options or other others otherwise over pct pennies penny percentage
        percentages percents perhaps permille permills pi plus pluses point points positive possibly powers
        prime probably products quotients radicals rather reciprocals rejected remainder repeating root roots
        roughly same seventeenths short since so some sometimes sqrt squared squares sums sure than that the
        then thing thirteenths thirtieths this thrice times to tripled true twentieth twentieths twice type
        undefined under unknown unless unsure up value versus was where which while will with without would
        wrong wrongs x y yes z
        """,
    )
)
