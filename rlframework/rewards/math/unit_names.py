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

# Words behind a number that change it, doubt it or go on with it. A unit has none of them.
NOT_UNITS = frozenset(
    re.findall(
        r"[^\s]+",
        """
        alternatives doubles elevens errors falsehoods gigas lies megas mills minuses myriads permills pluses twelves
        a about above absolute all almost also alternatively although always an and another answer answers any approx
        approximately are around as at base basis be because below best between binary bn both bps but by can cannot
        celsius centuries century circa could couple couples crore crores cubed cubes decade decades decimals
        differences digits dime dimes divided double doubled dozen dozens e each eight eighteen eighteenths eighth
        eighths eighties eights eighty either eleven eleventh elevenths else equal equals error estimated even exactly
        except exponents factorial factorials fahrenheit false few fewer fifteen fifteenths fifth fifths fifties
        fiftieths fifty five fives for forties fortieths forty four fours fourscore fourscores fourteen fourteenths
        fourth fourths from grand grands gross grosses guess guesses half halfs halved halves have hence hex
        hexadecimal hundred hundreds hundredth hundredths hundredweight hundredweights i if ignore incorrect inf
        infinity instead inverses is it k kelvin kilo kilodollars kilos lakh lakhs less let logarithms logs lots many
        maybe mean megabucks mil millennia millennium million mils minus mod modulo modulos modulus more most much
        multiples nan nearly negated negative negatives neither never nickel nickels nine nines nineteen nineteenths
        nineties ninety ninth ninths no none nope nor not nothing null numbers octal odd of-course off once one ones
        only options or other others otherwise over pair pairs pct pennies penny percentage percentages percents
        perhaps permille pi plus point points positive possibly powers prime probably products quarter quarters
        quartet quartets quintet quintets quintuple quotients radicals rather ream reams reciprocals rejected
        remainder repeating root roots roughly same score scores seven sevens seventeen seventeenths seventh sevenths
        seventies seventy short since six sixes sixteen sixteenth sixteenths sixth sixths sixties sixtieths sixty so
        some sometimes sqrt squared squares sums sure ten tens tenth tenths than that the then thing third thirds
        thirteen thirteenths thirties thirtieths thirty this thousand thousands thousandth thousandths three threes
        thrice times to trio trios triple tripled true twelfth twelfths twelve twenties twentieth twentieths twenty
        twice two twos type undefined under unknown unless unsure up value versus was where which while will with
        without would wrong wrongs x y yes z zero
        """,
    )
)
