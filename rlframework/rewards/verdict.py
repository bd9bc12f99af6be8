"""What a verifier can say of an answer, and what it never mixes up: a wrong answer and a check that failed."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """One of five. Only the first three say something about the policy, and only they become numbers.

    Attributes:
        CORRECT: The answer is the expected one.
        INCORRECT: It is another one.
        MALFORMED: There is no answer to look at: the layout is broken, the answer is blank, too long or unreadable.
        GOLD_UNVERIFIABLE: The expected answer cannot be checked, whatever the policy says. A fault of the data.
        ERROR: The check itself failed: it ran out of time or crashed. A fault of the verifier.

    Example:
        >>> Verdict("correct") is Verdict.CORRECT, Verdict.ERROR == "error", Verdict.ERROR.abstains
        (True, True, True)
    """

    CORRECT = "correct"
    INCORRECT = "incorrect"
    MALFORMED = "malformed"
    GOLD_UNVERIFIABLE = "gold_unverifiable"
    ERROR = "error"

    @property
    def abstains(self) -> bool:
        """Whether no score follows from it."""
        return self in (Verdict.GOLD_UNVERIFIABLE, Verdict.ERROR)
