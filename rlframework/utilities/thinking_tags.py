"""Tags with which chat templates of reasoning models open a thought, or a working."""

from __future__ import annotations

import re

_ABOUT = r"[^<>\[\]\n]{0,20}"
_WORD = rf"{_ABOUT}(think|thought|reason|reflect|scratchpad){_ABOUT}[>\]]$"
# Such as <think>, [THINK], <seed:think>, <|begin_of_thought|>.
_OPENING = re.compile(rf"[<\[](?!/|\|?end){_WORD}", re.IGNORECASE)
_CLOSING = re.compile(rf"[<\[](?:/|\|?end){_WORD}", re.IGNORECASE)


def opens_working(text: str) -> bool:
    r"""Return whether a prompt ends with the tag of a working, as those of reasoning models do.

    Example:
        >>> opens_working("Hello<think>\n"), opens_working("<think></think>"), opens_working("2 < 3 or 4 > 3?")
        (True, False, False)
    """
    return bool(opened_working(text))


def opened_working(text: str) -> str:
    r"""Return the tag with which a prompt opens the working, or nothing if it opens none.

    Example:
        >>> opened_working("Hello<think>\n")
        '<think>'
    """
    found = _OPENING.search(text.rstrip())
    return found[0] if found else ""


def closes_working(text: str) -> bool:
    r"""Return whether a prompt ends with the tag that closes a working, as where thinking is switched off.

    Example:
        >>> closes_working("Hello</think>\n\n"), closes_working("[/THINK]"), closes_working("<think>")
        (True, True, False)
    """
    return bool(_CLOSING.search(text.rstrip()))
