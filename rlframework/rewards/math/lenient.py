"""The lenient maths check: an answer inside the layout or outside of it, for models that were not asked for one."""

from __future__ import annotations

import re
from dataclasses import replace

from rlframework.completions import Completion, Completions
from rlframework.rewards.math.boxed import last_boxed
from rlframework.rewards.math.reward import MathCheck
from rlframework.rewards.verdict import Verdict

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")


class LenientMathCheck(MathCheck):
    r"""Measures whether a completion gets the answer right, in the layout or out of it. Never train with it.

    It reads the answer of the layout; without one the last ``\boxed{}``; without that the last number. So it credits a
    base model that solves a problem and does not know the tags, and what remains of a comparison is what is solved. A
    policy that is paid by it learns to end with anything that looks like an answer.

    Args:
        **options: Of `MathCheck`.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> prompt = Prompt([1], "?", {"answer": "42"})
        >>> texts = [r"So it is \boxed{42}.", "6 times 7 is 42.", "<end_working_out><SOLUTION>42</SOLUTION>", "Many."]
        >>> LenientMathCheck().evaluate(Completions([Completion(prompt, [2], text, "stop") for text in texts], 4)).total
        tensor([[1., 1., 1., 0.]])
    """

    def verdicts(self, completions: Completions) -> tuple[list[Verdict], str]:
        """Judge the answers, ``B`` of them."""
        return super().verdicts(Completions([self._in_layout(row) for row in completions], completions.group_size))

    def _in_layout(self, row: Completion) -> Completion:
        if self.template.answer_of(row) is not None:
            return row
        numbers = _NUMBER.findall(row.text)
        answer = last_boxed(row.text) or (numbers[-1] if numbers else None)
        if answer is None or any(tag in answer for tag in self.template.tags):
            return row
        return replace(row, text=self.template.written("", answer))


MathAnywhere = LenientMathCheck  # Its name until 0.1.
