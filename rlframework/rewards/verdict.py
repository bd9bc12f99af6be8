"""`Verdict`, the result of checking an answer: a wrong answer and a check that failed are never mixed up."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """The verdict on an answer. Only the first three of five say something about the policy, and become numbers.

    Attributes:
        CORRECT: The answer is the expected one.
        INCORRECT: It is another one.
        MALFORMED: There is no answer to look at: the layout is broken, the answer is blank, too long or unreadable.
        GOLD_UNVERIFIABLE: The expected answer cannot be checked, for any answer. A fault of the data.
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
