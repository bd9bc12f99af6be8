"""The reward for mathematical answers."""

from __future__ import annotations

from rlframework.completions import Completions
from rlframework.prompt import Prompt
from rlframework.rewards.gold import gold_text
from rlframework.rewards.math.grading import grade_all
from rlframework.rewards.template import AnswerTemplate
from rlframework.rewards.verdict import Verdict
from rlframework.rewards.verified import VerifiedReward


class MathCheck(VerifiedReward):
    r"""Pays for the right answer, of any kind and in any writing; `rlframework.rewards.math.grade` says what is right.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        answer_column: Column of the data with the expected answer, in any type that
            `rlframework.rewards.gold.gold_text` reads. A row without one has no score.
        correct: Score of a right answer.
        incorrect: Score of a wrong one.
        malformed: Score of an answer out of its layout, of one that cannot be read, and of one cut by the token budget.
        name: Name of the component in logs.

    Example:
        >>> from rlframework.completions import Completion
        >>> from rlframework.prompt import Prompt
        >>> prompt = Prompt([1], "?", {"answer": r"\frac{3}{4}"})
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in ("0.75", "75%")]
        >>> MathCheck().evaluate(Completions([Completion(prompt, [2], text, "stop") for text in texts], 2)).total
        tensor([[1., 0.]])
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        answer_column: str = "answer",
        *,
        correct: float = 1.0,
        incorrect: float = 0.0,
        malformed: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(correct=correct, incorrect=incorrect, malformed=malformed, name=name)
        self.template = template or AnswerTemplate()
        self.answer_column = answer_column

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether the expected answer is there; whether it can be read is `math_gold`'s to tell."""
        return gold_text(prompt.column(self.answer_column)) is not None

    def verdicts(self, completions: Completions) -> tuple[list[Verdict], str]:
        """Judge the answers, ``B`` of them."""
        golds = [gold_text(gold) or "" for gold in completions.column(self.answer_column)]
        # What the token budget cut has no answer, even if it looks like one.
        texts = ["" if row.truncated else row.text for row in completions]
        verdicts = grade_all(list(zip(texts, golds, strict=True)), template=self.template)
        failed = next((place for place, verdict in enumerate(verdicts) if verdict is Verdict.ERROR), None)
        return verdicts, "" if failed is None else f"math-verify gave no answer for the gold {golds[failed]!r} in time"
