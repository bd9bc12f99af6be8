"""Tags with which chat templates of reasoning models open a thought, or a working."""

from __future__ import annotations

import re

# Such as <think>, [THINK], <seed:think>, <|begin_of_thought|>.
_OPENING = re.compile(
    r"[<\[](?!/|\|?end)[^<>\[\]\n]{0,20}(think|thought|reason|reflect|scratchpad)[^<>\[\]\n]{0,20}[>\]]$", re.IGNORECASE
)


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
