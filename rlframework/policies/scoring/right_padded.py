"""Right-padded rows, which begin in column 0, for models that do not look at an attention mask."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.forward import ModelForward
from rlframework.policies.lm_head import into_rows
from rlframework.policies.scoring.base import Scorer
from rlframework.rollout import Rollout


class RightPadded(Scorer):
    """Right-padded rows: prompt and completion end to end from column 0, position 0, and all padding after them.

    What comes after is never looked at by causal attention, so no mask is needed, and attention can take its fastest
    way. Logits are made for scored tokens only.

    Example:
        >>> import torch
        >>> ids, real = torch.tensor([[0, 5, 6, 7, 0]]), torch.tensor([[False, True, True, True, False]])
        >>> compact(real, ids)[0].tolist()
        [[5, 6, 7]]
    """

    name = "right-padded rows"
    switch = "right_padded"

    def why_not(self, policy: ModelForward, batch: Rollout) -> str | None:
        """Return why this minibatch cannot be scored so, or None."""
        if "logits_to_keep" not in policy.forward_arguments:
            return "the model takes no logits_to_keep"
        if not batch.loss_mask.any():
            return "no token of a minibatch is scored"
        if not batch.prompt_mask.any(1).all():
            return "a prompt has no token"
        return None

    def score(self, policy: ModelForward, batch: Rollout, **options: Any) -> TokenLogProbs:
        """Score all rows in one pass, ``(B, T)``."""
        scored, head = batch.loss_mask, policy.head
        real = torch.cat([batch.prompt_mask, batch.completion_mask], dim=1)  # (B, P + T)
        predicts = torch.zeros_like(real)
        predicts[:, -scored.shape[1] - 1 : -1] = scored
        ids, predicts = compact(real, torch.cat([batch.prompt_ids, batch.completion_ids], dim=1), predicts)
        states = head.states_of_rows(ids, predicts)  # in the order of `scored`
        return into_rows(head.score(states, batch.completion_ids[scored], batch.temperature, **options), scored)


def compact(real: Tensor, *parts: Tensor) -> list[Tensor]:
    """Move what is real in each row to its front, in its order, and cut off the columns that no row needs.

    Args:
        real: ``(B, L)`` bool.
        *parts: ``(B, L)`` each.

    Returns:
        ``(B, S)`` each.
    """
    order = (~real).long().argsort(dim=1, stable=True)[:, : int(real.sum(1).max())]
    return [part.gather(1, order) for part in parts]
