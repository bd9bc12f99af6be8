"""Words of one meaning: a limit that does not exist is DNE, and "No, it is not possible." is no."""

from __future__ import annotations

import re

_SAME = {
    **dict.fromkeys(("dne", "d.n.e", "the limit does not exist", "limit does not exist"), "does not exist"),
    **dict.fromkeys(("infinitely many solutions", "there are infinitely many solutions"), "infinitely many"),
}
# A verdict, and behind it the same once more as a sentence that sets no condition.
_VERDICT = re.compile(
    r"(?P<verdict>yes|no)[,.;:]? (?:it|this|that|they|these|those|he|she|we|you|one|there) "
    r"(?P<said>(?:is|are|was|were|does|do|did|can|could|will|would|isn't|aren't|wasn't|doesn't|don't|didn't|can't|"
    r"cannot|couldn't|won't)(?: not)?(?: (?:possible|impossible|true|false|so|correct|exist|the case))?)"
)
_NEGATIVE = re.compile(r"\bnot\b|n't\b|\bcannot\b|\bimpossible\b|\bfalse\b")


def one_wording(text: str) -> str:
    """Return an answer in words in the one wording that all of its meaning are compared in, or as it is.

    Example:
        >>> one_wording("DNE"), one_wording("No, it is not possible"), one_wording("Yes, they are")
        ('does not exist', 'no', 'yes')
        >>> one_wording("Yes, if n is even"), one_wording("No, it is possible")
        ('Yes, if n is even', 'No, it is possible')
    """
    lowered = text.lower()
    found = _VERDICT.fullmatch(lowered)
    negatives = len(_NEGATIVE.findall(found["said"])) if found else 0
    if found and negatives == (found["verdict"] == "no"):
        return found["verdict"]
    return _SAME.get(lowered, text)
