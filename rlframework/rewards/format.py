"""Format rewards: for keeping to the answer template, whether the answer is right or not."""

from __future__ import annotations

from rlframework.completions import Completion
from rlframework.rewards.base import RowReward
from rlframework.rewards.template import AnswerTemplate


class ExactFormat(RowReward):
    """Pays for a completion that keeps the whole template and was ended by the policy.

    The scores are those of Unsloth's Qwen3-4B GRPO notebook, re-implemented from its description. Differences: the
    reading is that of `AnswerTemplate.keeps` (every tag once, nothing after the answer on any line, linear time), and a
    completion cut by the token budget never has the exact format. An opening tag that is copied from the prompt is read
    over by every reward that looks at the answer, and is not paid here.

    Args:
        template: The layout to keep; `AnswerTemplate()` by default.
        score: Score of a completion that keeps it.
        otherwise: Score of any other.
        name: Name of the component in logs.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> text = "6 * 7 is 42.<end_working_out><SOLUTION>42</SOLUTION>"
        >>> reward = ExactFormat()
        >>> [reward.score_row(Completion(Prompt([1], "?"), [2], text, reason)) for reason in ("stop", "length")]
        [3.0, 0.0]
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        *,
        score: float = 3.0,
        otherwise: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.template = template or AnswerTemplate()
        self.kept = score
        self.otherwise = otherwise

    def score_row(self, completion: Completion) -> float:
        """Return ``score`` or ``otherwise``."""
        exact = not completion.truncated and self.template.keeps(completion.text)
        return self.kept if exact else self.otherwise


class ApproximateFormat(RowReward):
    """Pays for each tag that occurs exactly once, so that a policy far from the template has a slope to climb.

    The scores are those of Unsloth's Qwen3-4B GRPO notebook, re-implemented from its description. Difference: where the
    prompt does not open the working, the opening tag is scored like the others. A truncated completion is paid for the
    tags that it holds: they were written before the cut.

    Args:
        template: The layout to keep; `AnswerTemplate()` by default.
        present: Score of each tag that occurs exactly once.
        otherwise: Score of each tag that is missing or repeated.
        name: Name of the component in logs.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> ApproximateFormat().score_row(Completion(Prompt([1], "?"), [2], "<SOLUTION>42</SOLUTION>", "stop"))
        0.0
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        *,
        present: float = 0.5,
        otherwise: float = -1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.template = template or AnswerTemplate()
        self.present = present
        self.otherwise = otherwise

    def score_row(self, completion: Completion) -> float:
        """Return the sum over the tags that a completion must hold."""
        counts = self.template.tag_counts(completion.text).values()
        return float(sum(self.present if count == 1 else self.otherwise for count in counts))
