"""maj@k as a torchmetrics metric: accuracy of the answer that most of ``k`` samples agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.functional.maj_at_k import maj_at_k
from rlframework.metrics.at_k import MeanAtK
from rlframework.rewards.base import RewardModel
from rlframework.rewards.math.answer_reader import AnswerReader
from rlframework.rewards.template import AnswerTemplate


class MajorityAtK(MeanAtK):
    """Mean over prompts of maj@k (`rlframework.functional.maj_at_k.maj_at_k`).

    Args:
        reward: Of 0 and 1; it judges the answer that has the majority.
        k: Answers that vote.
        answer: Returns a completion's answer as a text that equal answers share, or None; by default `AnswerReader`.
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

    def __init__(
        self,
        reward: RewardModel,
        k: int,
        answer: Callable[[Completion], str | None] | None = None,
        template: AnswerTemplate | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(reward, k, **kwargs)
        self.answer = answer or AnswerReader(template)

    def of_prompts(self, completions: Completions, scores: Tensor) -> Tensor:
        """Let the completions of each prompt vote."""
        self.shares(scores)
        return maj_at_k([[self.answer(row) for row in group] for group in completions.groups()], scores, self.k)
