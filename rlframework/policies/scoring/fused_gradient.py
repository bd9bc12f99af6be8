"""What it saves to know the loss while tokens are scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.functional.projection import Forecast
from rlframework.policies.base import Objective, Policy
from rlframework.rollout import Rollout


class Foresight:
    """Hands out forecasts of a loss's gradient while the loss is known, until one was wrong.

    Args:
        policy: Its ``foresees`` says whether none was.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known: tuple[Rollout, Objective] | None = None

    @contextmanager
    def of(self, batch: Rollout, objective: Objective) -> Iterator[None]:
        """Inside the context, the scores of the batch go into this loss."""
        self._known = batch, objective
        try:
            yield
        finally:
            self._known = None

    def forecast(self, batch: Rollout) -> Forecast | None:
        """Return what foretells the slopes of a batch's tokens; of another than the one announced nothing is known."""
        if self._known is None or self._known[0] is not batch or not self._policy.foresees:
            return None
        # Once: a loss that asks the policy again would go round for ever.
        (_, objective), self._known = self._known, None
        elsewhere = torch.zeros_like(batch.weights) if batch.old_logprobs is None else batch.old_logprobs
        return LossForecast(objective, batch.completion_mask, elsewhere, self._distrust)

    def _distrust(self) -> None:
        self._policy.foresees = False
        rank_zero_info(
            "The loss ties the tokens of a completion together: the head's gradient is made in its own pass."
        )


class LossForecast(Forecast):
    """Foretells slopes from a loss in which every token stands for itself.

    Those of a tile are taken with other tokens at ``elsewhere``. A loss that ties tokens together, such as one of
    sequence ratios off-policy, may get other slopes in the end; `projected_logprobs` finds out.

    Args:
        objective: From log-probabilities and entropies, ``(B, T)`` each, to the loss.
        mask: ``(B, T)`` bool, the scored tokens in their order.
        elsewhere: ``(B, T)`` log-probabilities of tokens that are not in the tile.
        on_miss: Called when other slopes arrived.
    """

    def __init__(self, objective: Objective, mask: Tensor, elsewhere: Tensor, on_miss: Callable[[], None]) -> None:
        self._objective = objective
        self._mask = mask
        self._elsewhere = elsewhere
        self._on_miss = on_miss

    @cached_property
    def _places(self) -> tuple[Tensor, ...]:
        return self._mask.nonzero(as_tuple=True)

    @torch.enable_grad()
    def slopes(self, tokens: slice, logprobs: Tensor, entropy: Tensor) -> tuple[Tensor, Tensor]:
        """Differentiate the loss at these tokens."""
        places = tuple(axis[tokens] for axis in self._places)
        leaves = [part.detach().requires_grad_() for part in (logprobs, entropy)]
        base = self._elsewhere.to(logprobs.dtype)
        loss = self._objective(TokenLogProbs(*(base.index_put(places, leaf) for leaf in leaves)))
        if not loss.requires_grad:
            return torch.zeros_like(logprobs), torch.zeros_like(entropy)
        slopes = torch.autograd.grad(loss, leaves, materialize_grads=True)
        return slopes[0], slopes[1]

    def missed(self) -> None:
        """Tell."""
        self._on_miss()
