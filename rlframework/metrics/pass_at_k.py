"""pass@k as a torchmetrics metric: the chance that one of ``k`` answers to a held-out prompt is right."""

from __future__ import annotations

from torch import Tensor

from rlframework.completions import Completions
from rlframework.functional.pass_at_k import pass_at_k
from rlframework.metrics.at_k import MeanAtK


class PassAtK(MeanAtK):
    """Mean over prompts of the unbiased estimate of pass@k (`rlframework.functional.pass_at_k.pass_at_k`).

    A prompt with fewer than ``k`` completions that were judged is left out.

    Args:
        reward: Of 0 and 1.
        k: Answers that may be tried.

    Raises:
        ValueError: ``k`` is below 1; when completions are added, they are fewer than ``k`` a prompt, or a score is
            neither 0 nor 1.

    Example:
        >>> from rlframework.completions import Completion
        >>> from rlframework.prompt import Prompt
        >>> from rlframework.rewards import CorrectAnswer
        >>> prompt = Prompt([1], "1+1=?", {"answer": "2"})
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in "2345"]
        >>> metric = PassAtK(CorrectAnswer(), k=2)
        >>> metric.update(Completions([Completion(prompt, [5], text, "stop") for text in texts], group_size=4))
        >>> metric.compute()
        tensor(0.5000)
    """

    def of_prompts(self, completions: Completions, scores: Tensor) -> Tensor:
        """Return the estimates of some prompts."""
        size = completions.group_size
        if self.k > size:
            raise ValueError(
                f"pass@{self.k} cannot be told from {size} completions a prompt; sample with group_size={self.k}"
            )
        return pass_at_k(*self.shares(scores), self.k)
