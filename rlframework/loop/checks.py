"""Checks before a run: unverifiable golds, weights that are NaN or infinite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch import nn

from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel


def check_golds(reward: RewardModel, splits: Mapping[str, Sequence[Prompt]]) -> None:
    """Count the rows that a reward has nothing to compare with, before training: unverifiable golds, missing answers.

    Args:
        reward: Its terms are asked one by one.
        splits: Prompts by what they are for, ``"train"`` or ``"validation"``.

    Raises:
        ValueError: It is so of every row of the training data.
        KeyError: A row lacks the column.
    """
    parts = [part for part in reward.components() if part.weight != 0]
    for split, prompts in splits.items():
        for part in parts:
            blank = [prompt.index for prompt in prompts if not part.reward.can_judge(prompt)]
            if not blank:
                continue
            found = (
                f"{len(blank)} of {len(prompts)} {split} rows ({len(blank) / len(prompts):.1%}) hold nothing that the "
                f"reward {part.name!r} can compare an answer with: rows {', '.join(map(str, blank[:5]))}"
                + (" ..." if len(blank) > 5 else "")
            )
            if split == "train" and part.required and len(blank) == len(prompts):
                raise ValueError(f"{found}. Is the column the right one?")
            becomes = (
                "abstain, and teach nothing: fill them, or leave the rows out" if part.required else "get 0 for it"
            )
            rank_zero_warn(f"{found}. Their completions {becomes}")


def check_weights(policy: nn.Module) -> None:
    """Refuse weights that are NaN or infinite: samples and scores made with them say nothing.

    Raises:
        ValueError: With how many there are, and the first.
    """
    weights = [(name, weight) for name, weight in policy.named_parameters() if weight.is_floating_point()]
    here = [(name, weight.detach()) for name, weight in weights if weight.element_size() > 1 and not weight.is_meta]
    here = [(name, weight.to_local() if hasattr(weight, "to_local") else weight) for name, weight in here]
    # The smallest and the largest are found without a copy, and are NaN where one of them is.
    broken = [name for name, weight in here if weight.numel() and not torch.stack(weight.aminmax()).isfinite().all()]
    if broken:
        raise ValueError(
            f"{len(broken)} of {len(weights)} weights of {type(policy).__name__} hold NaN or inf, such as {broken[0]}: "
            "the checkpoint is of a run that diverged, or its numbers do not fit the dtype (bfloat16 reaches further "
            "than float16). Load another checkpoint, or with another dtype=..."
        )
