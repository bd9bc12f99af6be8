"""maj@k as a torchmetrics metric: accuracy of the answer that most of ``k`` samples agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.functional.maj_at_k import maj_at_k
from rlframework.metrics.score import ScoreMetric
from rlframework.rewards.base import RewardModel
from rlframework.rewards.numerals import parse_number
from rlframework.rewards.template import AnswerTemplate
from rlframework.utilities.arguments import at_least


class MajorityAtK(ScoreMetric):
    """Mean over prompts of maj@k (`rlframework.functional.maj_at_k.maj_at_k`).

    Args:
        reward: Of 0 and 1; it judges the answer that has the majority.
        k: Answers that vote.
        answer: Reads a completion's answer as a text that equal answers share, or None; by default that of
            ``template``, numbers by their value.
        template: The layout of the answer; `AnswerTemplate()` by default.

    Raises:
        ValueError: ``k`` is below 1; when completions are added, they are fewer than ``k`` a prompt, or a score is
            neither 0 nor 1.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> from rlframework.rewards import CorrectAnswer
        >>> prompt = Prompt([1], "1+1=?", {"answer": "2"})
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in ("2", "2.0", "5")]
        >>> metric = MajorityAtK(CorrectAnswer(), k=3)
        >>> metric.update(Completions([Completion(prompt, [5], text, "stop") for text in texts], group_size=3))
        >>> metric.compute()
        tensor(1.)
    """

    total: Tensor
    prompts: Tensor

    def __init__(
        self,
        reward: RewardModel,
        k: int,
        answer: Callable[[Completion], str | None] | None = None,
        template: AnswerTemplate | None = None,
        **kwargs: Any,
    ) -> None:
        at_least(self, 1, k=k)
        super().__init__(reward, samples=k, **kwargs)
        self.k = k
        self.answer = answer or Reader(template or AnswerTemplate())
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("prompts", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def add(self, completions: Completions, scores: Tensor) -> None:
        """Let the completions of some prompts vote."""
        self.shares(scores)
        answers = [[self.answer(row) for row in group] for group in completions.groups()]
        solved = maj_at_k(answers, scores, self.k).to(self.total)
        self.total += solved.nansum()
        self.prompts += (~solved.isnan()).sum()

    def compute(self) -> Tensor:
        """Return the mean over the prompts, a float32 scalar; NaN if there were none."""
        return (self.total / self.prompts).float()


class Reader:
    """Reads the answer of a template, numbers by their value.

    Args:
        template: The layout of the answer.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> row = Completion(Prompt([1], "?"), [5], "<end_working_out><SOLUTION> 2.0</SOLUTION>", "stop")
        >>> Reader(AnswerTemplate())(row)
        '2'
    """

    def __init__(self, template: AnswerTemplate) -> None:
        self.template = template

    def __call__(self, completion: Completion) -> str | None:
        """Return the answer, or None."""
        answer = self.template.answer_of(completion)
        if answer is None:
            return None
        number = parse_number(answer)
        return answer.strip() if number is None else f"{number.normalize():f}"
