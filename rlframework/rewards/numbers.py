"""Reading numbers strictly, and the reward for the number in the answer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal

from rlframework.completions import Completion
from rlframework.rewards.base import RowReward
from rlframework.rewards.template import AnswerTemplate

MAX_NUMBER_CHARACTERS = 100

# A leading zero takes no thousands separator: "0,123" is more likely a decimal comma.
_NUMBER = re.compile(r"[+-]?(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")

# Deliberately wider than _NUMBER: "52_8", "34e5", "- 5" or "-$5" must be seen whole to be refused whole, for reading a
# part of it (52, 34, 5) would pay for a number that was not written. A sign after a word is a hyphen or an operator.
# The second look-behind starts a run of punctuation only at its beginning: without it a long run costs quadratic time.
_CANDIDATE = re.compile(r"(?:(?<![\w)\]])[+\-\u2212]\s?\$?)?(?<![.,_])[.,_]*\d[\d.,_]*(?:[eE][+-]?\d+)?")


def parse_number(text: str) -> Decimal | None:
    """Read a text that is one decimal number and nothing else; None if it is not.

    A sign, thousands separators and decimals are optional; surrounding blanks do not matter. ASCII digits only, no
    exponent, underscore, ``nan`` or ``inf``, and at most ``MAX_NUMBER_CHARACTERS``. The value is exact.

    Example:
        >>> parse_number(" 2,125.50 ")
        Decimal('2125.50')
        >>> [parse_number(text) for text in ("10,00", "52_8", "1e3", "nan", "34 or 35")]
        [None, None, None, None, None]
    """
    text = text.strip()
    if len(text) > MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text.replace(",", ""))


def first_number(text: str) -> Decimal | None:
    """Return the first number in a text, in linear time; None if there is none or it is not written properly.

    Example:
        >>> first_number("It costs $1,234.50."), first_number("minus: -3 or 4"), first_number("10,00 or 5")
        (Decimal('1234.50'), Decimal('-3'), None)
    """
    return next(_numbers(text), None)


def expected_text(completion: Completion, answer_column: str) -> str:
    """Return the expected answer of a completion's row as stripped text; ``34.0`` and ``34`` both give ``"34"``.

    Raises:
        KeyError: The row has no such column.
        TypeError: The expected answer is not a str, int or float.
        ValueError: The expected answer is blank, nan or infinite, so that nothing can be right.
    """
    gold = completion.prompt.column(answer_column)
    where = f"column {answer_column!r} of prompt {completion.prompt.index}"
    if isinstance(gold, bool) or not isinstance(gold, (str, int, float)):
        raise TypeError(f"{where} holds {gold!r} ({type(gold).__name__}); an expected answer is a str, int or float")
    if isinstance(gold, float) and math.isfinite(gold):
        gold = int(gold) if gold.is_integer() else format(Decimal(repr(float(gold))), "f")
    text = str(gold).strip()
    if not text or isinstance(gold, float):
        raise ValueError(f"{where} holds {gold!r}, which no answer can match; drop the row or name another column")
    return text


class NumberCheck(RowReward):
    """Pays for the right number as the first one of the answer, with whatever words or units about it.

    It reads from the first ``start_answer`` to the next ``end_answer``, or to the end of the text, and asks for no
    other tag. It abstains where the expected answer is not a number.

    The scores are those of Unsloth's Qwen3-4B GRPO notebook, re-implemented from its description. Differences: numbers
    are read strictly, with thousands separators on both sides and without float rounding; a number that is written
    badly and a lone "." count as missing; a right number beside a different one ("34 or 35", "3/4") is not paid;
    a completion cut by the token budget has no answer; an expected answer that is not a number abstains.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        answer_column: Column of the data with the expected answer, a str, int or float.
        equal: Score of the right number.
        different: Score of a wrong number.
        hedged: Score of the right number with a different one after it. Give ``equal`` to look at the first alone.
        missing: Score where the answer holds no number, or there is no answer.
        name: Name of the component in logs.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> prompt = Prompt([1], "?", row={"answer": "2,125"})
        >>> answers = ("$2125", "2126", "2125 or 2126", "many")
        >>> rows = [Completion(prompt, [2], f"<SOLUTION>{answer}</SOLUTION>", "stop") for answer in answers]
        >>> [NumberCheck().score_row(row) for row in rows]
        [3.5, -1.5, -1.5, -2.5]
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        answer_column: str = "answer",
        *,
        equal: float = 3.5,
        different: float = -1.5,
        hedged: float = -1.5,
        missing: float = -2.5,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.template = template or AnswerTemplate()
        self.answer_column = answer_column
        self.equal = equal
        self.different = different
        self.hedged = hedged
        self.missing = missing

    def score_row(self, completion: Completion) -> float | None:
        """Return the score of the numbers in the answer; None where the expected answer is not a number."""
        gold = parse_number(expected_text(completion, self.answer_column))
        if gold is None:
            return None
        if completion.truncated:
            return self.missing
        _, _, rest = completion.text.partition(self.template.start_answer)
        numbers = _numbers(rest.partition(self.template.end_answer)[0])
        first = next(numbers, None)
        if first is None:
            return self.missing
        if first != gold:
            return self.different
        return self.equal if all(number == gold for number in numbers) else self.hedged


def _numbers(text: str) -> Iterator[Decimal | None]:
    """Yield the numbers in a text from left to right, None for one that is not written properly."""
    for match in _CANDIDATE.finditer(text):
        yield parse_number(match[0].rstrip(".,").lstrip(","))
