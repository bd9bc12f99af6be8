r"""Congruences of one letter, as the numbers that they allow: ``x \equiv 3 \pmod 7`` is x = 7k + 3."""

from __future__ import annotations

import re

_RESIDUE = r"(?:-|\\pm ?)?[0-9]{1,30}"
_RESIDUES = _RESIDUE + r"(?:\s*(?:,|or|and|\\text\s*\{\s*,?\s*(?:or|and)\s*\})+\s*" + _RESIDUE + "){0,30}"
_MODULUS = (
    r"\(?\s*\\?(?:text\s*\{\s*)?[pb]?mod(?:ulo)?(?![A-Za-z])\s*\}?\s*\{?\s*(?P<modulus>[1-9][0-9]{0,30})\s*\}?\s*\)?"
)
_CONGRUENCE = re.compile(
    rf"(?:(?P<name>[a-z])\s*\\equiv(?![A-Za-z])\s*)?(?P<residues>{_RESIDUES})\s*(?:,|\\)?\s*{_MODULUS}"
)


def as_family(plain: str) -> str:
    r"""Return a congruence as a family of whole numbers; any other text as it is.

    Example:
        >>> as_family(r"x \equiv 3 \pmod{7}"), as_family(r"n\equiv 1, 4 (\bmod 5)")
        ('x = 7 m + 3, m \\in \\mathbb{Z}', 'n = 5 m + 1, n = 5 m + 4, m \\in \\mathbb{Z}')
        >>> as_family("3 mod 0"), as_family(r"x^2 \equiv 1 \pmod{3}")
        ('3 mod 0', 'x^2 \\equiv 1 \\pmod{3}')
    """
    found = _CONGRUENCE.fullmatch(plain) if "mod" in plain else None
    if found is None:
        return plain
    name, letter = f"{found['name']} = " if found["name"] else "", "k" if found["name"] == "m" else "m"
    residues = [
        sign * int(number)
        for before, number in re.findall(r"(-|\\pm)? ?([0-9]+)", found["residues"])
        for sign in {"": (1,), "-": (-1,)}.get(before, (1, -1))
    ]
    values = [f"{name}{found['modulus']} {letter} {'-' if one < 0 else '+'} {abs(one)}" for one in residues]
    return rf"{', '.join(values)}, {letter} \in \mathbb{{Z}}"
