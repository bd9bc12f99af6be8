"""Reader of answers: one writing for equal answers, to count votes (maj@k) and to show what was answered."""

from __future__ import annotations

from rlframework.completions import Completion
from rlframework.rewards.math.boxed import last_boxed
from rlframework.rewards.numerals import each_number, parse_number, write_number
from rlframework.rewards.template import AnswerTemplate


class AnswerReader:
    r"""Reads a completion's answer: of the layout, else the last ``\boxed{}``, else the last number.

    Numbers are brought into one writing, so that 7, 7.0 and 07 are one answer. It judges nothing.

    Args:
        template: The layout; `AnswerTemplate()` by default.

    Example:
        >>> read = AnswerReader().read
        >>> read(r"So \boxed{7}."), read("3 + 4 is 7.0"), read("5 - 5 = 0"), read("Many.")
        ('7', '7', '0', None)
    """

    def __init__(self, template: AnswerTemplate | None = None) -> None:
        self.template = template or AnswerTemplate()

    def __call__(self, completion: Completion) -> str | None:
        """Return the answer of a completion; None where there is none, or the token budget ended it.

        Args:
            completion: The completion.
        """
        return None if completion.truncated else self.read(completion.text)

    def read(self, text: str) -> str | None:
        """Return the answer in a text, or None.

        Args:
            text: A completion, without its prompt.
        """
        answer = self.template.parse(text) or last_boxed(text)
        numbers = [] if answer else [one for one in each_number(text) if one is not None]
        number = parse_number(answer) if answer else numbers[-1] if numbers else None
        return write_number(number) if number is not None else answer and " ".join(answer.split())
