"""What is shown: a prompt together with the completion to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch

from rlframework.completions import Completion, Completions
from rlframework.loop.collect import assemble
from rlframework.prompt import Prompt
from rlframework.rewards.base import Scores
from rlframework.rollout import Rollout


@dataclass(frozen=True)
class Demonstration(Prompt):
    """A prompt and a completion of it that somebody wrote, tokenised once. Wherever a `Prompt` will do, this will.

    Args:
        completion_ids: The completion's tokens, up to and including the end token.
        completion: The same as text, without the end token.
    """

    completion_ids: list[int] = field(default_factory=list)
    completion: str = ""


def checked(prompts: Sequence[Prompt]) -> Sequence[Demonstration]:
    """Return prompts that all come with a completion.

    Raises:
        TypeError: One does not.
    """
    for shown in prompts:
        if not isinstance(shown, Demonstration):
            raise TypeError(
                f"prompt {shown.index} comes without a completion to learn from; feed supervised fine-tuning from a "
                "DemonstrationDataModule, whose rows have one"
            )
    return cast(Sequence[Demonstration], prompts)


def rollout_of(prompts: Sequence[Prompt], pad_id: int) -> Rollout:
    """Lay demonstrations out as a rollout of groups of one, ``(B, T)``, on the CPU; its weights are still 0.

    Raises:
        TypeError: One of them is a prompt without a completion.

    Example:
        >>> shown = [Demonstration([5, 6], "ab", completion_ids=[7, 1], completion="c")]
        >>> rollout_of(shown, pad_id=0).completion_ids
        tensor([[7, 1]])
    """
    rows = [Completion(shown, shown.completion_ids, shown.completion, "stop") for shown in checked(prompts)]
    return assemble(Completions(rows, 1), Scores(torch.zeros(len(rows), 1), {}), pad_id, temperature=1.0)
