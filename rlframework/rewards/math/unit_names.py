"""The names of units, the exact factors between them, and the words that are none."""

from __future__ import annotations

import re
from fractions import Fraction

# Names that mean one unit, the first being what it is called here, and how much it is of its dimension's own unit.
_DIMENSIONS = {
    "money": {"$ dollar dollars usd buck bucks": "1", "¢ cent cents": "1/100"},
    "euro": {"€ euro euros eur": "1"},
    "pound sterling": {"£ gbp": "1"},
    "rupee": {"₹ rupee rupees rs inr": "1"},
    "yen": {"¥ yen": "1"},
    "length": {
        "mm millimeter millimeters millimetre millimetres": "1/1000",
        "cm centimeter centimeters centimetre centimetres": "1/100",
        "m meter meters metre metres": "1",
        "km kilometer kilometers kilometre kilometres": "1000",
        "in inch inches": "254/10000",
        "ft foot feet": "3048/10000",
        "yd yard yards": "9144/10000",
        "mi mile miles": "1609344/1000",
    },
    "mass": {
        "mg milligram milligrams": "1/1000",
        "g gram grams gm": "1",
        "kg kilogram kilograms kgs": "1000",
        "lb lbs pound pounds": "45359237/100000",
        "oz ounce ounces": "45359237/1600000",
        "ton tons": "90718474/100",
        "tonne tonnes": "1000000",
    },
    "time": {
        "ms millisecond milliseconds": "1/1000",
        "s sec secs second seconds": "1",
        "min mins minute minutes": "60",
        "h hr hrs hour hours": "3600",
        "day days": "86400",
        "week weeks": "604800",
    },
    "volume": {
        "ml milliliter milliliters millilitre millilitres": "1/1000",
        "l liter liters litre litres": "1",
        "gal gallon gallons": "3785411784/1000000000",
        "qt quart quarts": "946352946/1000000000",
        "pt pint pints": "473176473/1000000000",
        "cup cups": "2365882365/10000000000",
    },
    "angle": {"° degree degrees deg": "1", "rad radian radians": "0"},
    "share": {"% percent": "1"},
    "month": {"month months": "1"},
    "year": {"year years yr yrs": "1"},
    "unit": {"unit units": "1"},
}

# By any name of a unit: the name that it has here, its dimension, its factor; 0 where there is no exact one.
UNITS: dict[str, tuple[str, str, Fraction]] = {
    name: (names.split()[0], dimension, Fraction(factor))
    for dimension, units in _DIMENSIONS.items()
    for names, factor in units.items()
    for name in names.split()
}
TOGETHER = {"mph": "mi/h", "kph": "km/h", "kmh": "km/h", "kmph": "km/h"}

# Several of something without an s at the end.
ODD_PLURALS = frozenset(
    re.findall(r"\w+", "people men women children feet teeth mice geese fish sheep deer dice cattle")
)

# Words behind a number that change it, doubt it or go on with it. A unit has none of them.
NOT_UNITS = frozenset(
    re.findall(
        r"\S+",
        """
        a about above always bps absolute all almost also although alternatively an and another answer any approx
        approximately are around as at base be because below best between billion bn both but by can cannot
        crore cubed could dozen dozens divided double e eight eighteen eighty either eleven else equal equals
        error even except exactly false few fifteen fifths fifty five for forty four fourteen fourths from grand
        gross guess half halves has have hence hundred hundredth hundredths hundreds i if ignore inf infinity
        instead is it k kilo lakh less let lot many maybe mean mil million millions minus mod modulo more most
        much nan negative neither nine nineteen ninety no none nor not nothing null odd once one ones only
        or other otherwise over pair pairs perhaps pi plus point positive possibly power prime probably quarter
        quarters rather remainder root roughly same score sometimes seven seventeen seventy several should since six
        sixteen sixths sixty so some squared sure ten tens tenth tenths than that the then thing third thirds
        thirteen thirty this thousand thousands thousandth thousandths three thrice times to trillion triple
        true twelve twenty twice two type undefined under unless unknown unsure up value versus was where which
        while will with without would wrong x y yes zero z
        """,
    )
)
