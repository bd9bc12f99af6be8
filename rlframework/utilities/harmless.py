"""Text of a model for a terminal: control characters, escape sequences and right-to-left marks are spelled."""

from __future__ import annotations

import unicodedata

# Controls, marks without width (right-to-left overrides, joiners), half characters of UTF-16, private and unassigned.
_SPELLED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Marks upon a letter that are left as they are; more of them would be drawn over the lines above and below.
_MARKS = 2


def harmless(text: object) -> str:
    r"""Return text that a terminal only shows: it moves no cursor, sets no colour or title, and reverses no line.

    A line's end becomes ``⏎`` and a tab two spaces; any other control character is spelled as Python spells it.

    Args:
        text: As a model, a file or a reward has it; what is no text becomes text.

    Example:
        >>> print(harmless("two\nlines, \x1b[2Ja cleared screen and a line \u202edenrut"))
        two⏎lines, \x1b[2Ja cleared screen and a line \u202edenrut
    """
    shown: list[str] = []
    marks = 0
    for letter in str(text).expandtabs(2):
        category = unicodedata.category(letter)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if letter == "\n":
            shown.append("⏎")
        elif category in _SPELLED or marks > _MARKS:
            shown.append(letter.encode("unicode_escape").decode())
        else:
            shown.append(letter)
    return "".join(shown)
