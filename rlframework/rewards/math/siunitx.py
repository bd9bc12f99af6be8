r"""Numbers and units as the LaTeX package siunitx writes them: ``\SI{5}{\kilo\metre}`` is ``5 \text{ km}``."""

from __future__ import annotations

import re

# The macros of the manual of siunitx, version 3, and what they print.
_PREFIXES = dict(
    re.findall(
        r"(\S+)=(\S+)",
        "pico=p nano=n micro=µ milli=m centi=c deci=d deca=da deka=da hecto=h kilo=k mega=M giga=G tera=T",
    )
)
_UNITS = dict(
    re.findall(
        r"(\S+)=(\S+)",
        """
        metre=m meter=m gram=g second=s ampere=A kelvin=K mole=mol candela=cd kilogram=kg hertz=Hz newton=N pascal=Pa
        joule=J watt=W coulomb=C volt=V farad=F tesla=T weber=Wb henry=H siemens=S lumen=lm lux=lx becquerel=Bq gray=Gy
        sievert=Sv radian=rad minute=min hour=h day=day hectare=ha litre=l liter=l tonne=t electronvolt=eV degree=°
        degreeCelsius=°C celsius=°C percent=% dalton=Da decibel=dB
        """,
    )
)
_ONE = r"\s*(?:\[[^\[\]]*\])?\s*\{([^{}]*)\}"
_UNIT = r"\s*(?:\[[^\[\]]*\])?\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
_QUANTITY = re.compile(r"\\(?:SI|qty)(?![A-Za-z])" + _ONE + _UNIT)
_NUMBER = re.compile(r"\\num(?![A-Za-z])" + _ONE)
_ALONE = re.compile(r"\\(?:si|unit)(?![A-Za-z])" + _UNIT)
_ANGLE = re.compile(r"\\ang(?![A-Za-z])" + _ONE)
_MAGNITUDE = re.compile(r"([-+]?[0-9.]*)[eEdD]([-+]?[0-9]+)")


def without_siunitx(text: str) -> str:
    r"""Return a text with the commands of siunitx written out; units come out as upright words.

    Example:
        >>> without_siunitx(r"\num{1.5e3}"), without_siunitx(r"\SI{60}{\kilo\metre\per\hour}")
        ('1.5\\times 10^{3}', '60 \\text{ km/h}')
    """
    if "\\" not in text:
        return text
    text = _QUANTITY.sub(lambda match: f"{_number(match[1])} {_unit(match[2])}", text)
    text = _NUMBER.sub(lambda match: _number(match[1]), text)
    text = _ALONE.sub(lambda match: _unit(match[1]), text)
    return _ANGLE.sub(lambda match: rf"{match[1]}^{{\circ}}" if ";" not in match[1] else match[0], text)


def _number(written: str) -> str:
    plain = "".join(written.split())
    match = _MAGNITUDE.fullmatch(plain)
    if match is None:
        return plain
    power = f"10^{{{match[2].removeprefix('+')}}}"
    return rf"{match[1]}\times {power}" if match[1] else power


def _unit(written: str) -> str:
    if "\\" not in written:
        # Letters as they are printed, with a dot or a tie between factors.
        return rf"\text{{ {re.sub('[.~]', ' ', written).strip()}}}"
    parts, below, power, prefix = {False: "", True: ""}, False, "", ""
    for name, argument in re.findall(r"\\([A-Za-z]+)(?:\s*\{([^{}]*)\})?", written):
        if name == "per":
            below = True
        elif name in ("square", "cubic"):
            power = "^2" if name == "square" else "^3"
        elif name in ("squared", "cubed", "tothe"):
            parts[below] += {"squared": "^2", "cubed": "^3"}.get(name, f"^{argument}")
        elif name in _PREFIXES:
            prefix = _PREFIXES[name]
        else:
            parts[below] += f"{' ' if parts[below] else ''}{prefix}{_UNITS.get(name, name)}{power}"
            power = prefix = ""
    return rf"\text{{ {parts[False]}{'/' if parts[True] else ''}{parts[True]}}}"
