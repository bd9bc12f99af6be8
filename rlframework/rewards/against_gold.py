"""The base of rewards that compare a completion with the expected answer of its row."""

from __future__ import annotations

from abc import abstractmethod

import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.rewards.gold import gold_text
from rlframework.rewards.judgement import Judgement
from rlframework.rewards.template import AnswerTemplate


class AgainstGold(RewardModel):
    """A reward that judges each completion by the expected answer of its row. Override `score_against`.

    A row whose expected answer is missing has no score and counts as unverifiable; what is missing says
    `rlframework.rewards.gold.gold_text`.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        answer_column: Column of the data with the expected answer.
        name: Name of the component in logs.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> class Mentions(AgainstGold):
        ...     def score_against(self, completion, gold):
        ...         return float(gold in completion.text)
        >>> rows = [Completion(Prompt([1], "?", {"answer": gold}), [2], "It is 4.", "stop") for gold in (4.0, None)]
        >>> Mentions().score(Completions(rows, group_size=2)).unverifiable
        tensor([False,  True])
    """

    def __init__(
        self, template: AnswerTemplate | None = None, answer_column: str = "answer", *, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.template = template or AnswerTemplate()
        self.answer_column = answer_column

    @abstractmethod
    def score_against(self, completion: Completion, gold: str) -> float | None:
        """Return the score of one completion, given the expected answer; None to abstain.

        Args:
            completion: What is judged.
            gold: The expected answer as text, never blank.
        """

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether the expected answer is there."""
        return gold_text(prompt.column(self.answer_column)) is not None

    def score_row(self, completion: Completion) -> float | None:
        """Return the score of one completion; None where the expected answer is missing.

        Raises:
            KeyError: The row has no such column.
        """
        gold = gold_text(completion.prompt.column(self.answer_column))
        return None if gold is None else self.score_against(completion, gold)

    def score(self, completions: Completions) -> Judgement:
        """Judge the rows one by one, ``B`` of them."""
        values = [self.score_row(row) for row in completions]
        golds = map(gold_text, completions.column(self.answer_column))
        return Judgement(
            torch.tensor([float("nan") if value is None else value for value in values], dtype=torch.float32),
            unverifiable=torch.tensor([gold is None for gold in golds]),
        )
