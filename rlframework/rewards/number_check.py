"""The reward for the number in the answer."""

from __future__ import annotations

from rlframework.completions import Completion
from rlframework.prompt import Prompt
from rlframework.rewards.against_gold import AgainstGold
from rlframework.rewards.gold import gold_text
from rlframework.rewards.numerals import each_number, parse_number
from rlframework.rewards.template import AnswerTemplate


class NumberCheck(AgainstGold):
    """Pays for the right number as the first one of the answer, with any words or units about it.

    It reads from the first ``start_answer`` to the next ``end_answer``, or to the end of the text, and asks for no
    other tag. It abstains where the expected answer is not a number.

    The scores are those of Unsloth's Qwen3-4B GRPO notebook, re-implemented from its description. Differences: numbers
    are read strictly, with thousands separators on both sides and without float rounding; a number that is written
    badly and a lone "." count as missing; a right number beside a different one ("34 or 35", "3/4") is not paid;
    a completion cut by the token budget has no answer; an expected answer that is not a number abstains.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        answer_column: Column of the data with the expected answer, in any type that `gold_text` reads.
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
        super().__init__(template, answer_column, name=name)
        self.equal = equal
        self.different = different
        self.hedged = hedged
        self.missing = missing

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether the expected answer is there and a number."""
        gold = gold_text(prompt.column(self.answer_column))
        return gold is not None and parse_number(gold) is not None

    def score_against(self, completion: Completion, gold: str) -> float | None:
        """Return the score of the numbers in the answer; None where the expected answer is not a number."""
        expected = parse_number(gold)
        if expected is None:
            return None
        if completion.truncated:
            return self.missing
        _, _, rest = completion.text.partition(self.template.start_answer)
        numbers = each_number(rest.partition(self.template.end_answer)[0])
        first = next(numbers, None)
        if first is None:
            return self.missing
        if first != expected:
            return self.different
        return self.equal if all(number == expected for number in numbers) else self.hedged
