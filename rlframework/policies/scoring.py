"""Ways to score a minibatch, from the fastest to padded rows, each held against padded rows on first use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.base import eval_mode
from rlframework.rollout import Rollout

if TYPE_CHECKING:
    from rlframework.policies.causal_lm import CausalLMPolicy


class Scorer(ABC):
    """One way to lay a minibatch out and score it.

    Attributes:
        name: In messages.
        switch: Argument of the policy that switches it off.
    """

    name: ClassVar[str]
    switch: ClassVar[str]

    @abstractmethod
    def unfit(self, batch: Rollout) -> str | None:
        """Return why this minibatch cannot be scored so, as far as configuration and shapes tell; None if it can."""

    @abstractmethod
    def score(self, batch: Rollout, **options: Any) -> TokenLogProbs:
        """Return what `CausalLMPolicy.padded_logprobs` returns, ``(B, T)``, 0 on padding.

        Args:
            batch: Whole groups.
            **options: Of `Head.score`.
        """


class Scoring:
    """Takes the first scorer that fits.

    The log says once for each reason why a faster one did not. The first minibatch of a scorer, and the first one with
    gradients, are scored both ways for two rows of a group, and the run stops if the two differ.

    Args:
        policy: Whose padded rows are right.
        scorers: The fastest first.
    """

    def __init__(self, policy: CausalLMPolicy, scorers: Sequence[Scorer]) -> None:
        self._policy = policy
        self._scorers = scorers
        self._told: set[tuple[Scorer, str]] = set()
        self._proven: set[tuple[Scorer, bool]] = set()

    def choose(self, batch: Rollout) -> Scorer | None:
        """Return what scores this minibatch fastest; None if nothing but padded rows can.

        Raises:
            RuntimeError: It does not score as padded rows do.
        """
        for scorer in self._scorers:
            reason = scorer.unfit(batch)
            if reason is None:
                case = scorer, torch.is_grad_enabled()
                if case not in self._proven:
                    prove(self._policy, scorer, _sample(batch))
                    self._proven.add(case)
                return scorer
            if (scorer, reason) not in self._told:
                self._told.add((scorer, reason))
                rank_zero_info(f"No {scorer.name}: {reason}.")
        return None


def prove(policy: CausalLMPolicy, scorer: Scorer, group: Rollout) -> None:
    """Score rows of a group both ways, log-probabilities and, where gradients are on, their gradient.

    Raises:
        RuntimeError: They differ.
    """
    parameters = _small_ones(policy) if torch.is_grad_enabled() else []
    results = []
    # Dropout would draw other numbers in the two passes, and reentrant checkpoints know no gradient but of backward().
    with eval_mode(policy):
        for score in (policy.padded_logprobs, scorer.score):
            logprobs = score(group).logprobs.masked_fill(~group.completion_mask, 0.0)
            gradient = torch.zeros(1)
            if parameters and logprobs.requires_grad:
                slopes = torch.linspace(-1, 1, logprobs.numel(), device=logprobs.device).view_as(logprobs)
                parts = torch.autograd.grad((logprobs * slopes).sum(), parameters, allow_unused=True)
                gradient = torch.cat([part.flatten().float() for part in parts if part is not None])
            results.append((logprobs.detach(), gradient))
    (padded, padded_gradient), (fast, fast_gradient) = results
    half = torch.is_autocast_enabled(padded.device.type) or next(policy.parameters()).element_size() == 2
    _compare(policy, scorer, "log-probabilities", (padded - fast).abs().max(), 0.3 if half else 1e-3)
    error = (padded_gradient - fast_gradient).norm() / padded_gradient.norm().clamp(min=1e-12)
    _compare(policy, scorer, "gradients (relative)", error, 0.2 if half else 1e-3)


def drops_out(policy: nn.Module) -> bool:
    """Whether dropout acts at present."""
    return policy.training and any(_dropout(part) > 0 for part in policy.modules())


def _dropout(part: Any) -> float:
    rate = part.p if isinstance(part, nn.Dropout) else getattr(part, "attention_dropout", 0.0)
    return rate if isinstance(rate, float) else 0.0


def _small_ones(policy: nn.Module) -> list[nn.Parameter]:
    """Return trainable parameters of every layer, and of a large model not the gigabytes of all of them."""
    whole = [p for p in policy.parameters() if p.requires_grad and not isinstance(p, DTensor)]
    ascending = sorted(whole, key=torch.numel)
    sizes = accumulate(parameter.numel() for parameter in ascending)
    return [parameter for parameter, size in zip(ascending, sizes, strict=True) if size <= 2**25] or ascending[:1]


def _sample(batch: Rollout) -> Rollout:
    """Return two rows of the longest group, cut short: a proof must not take more memory than the steps behind it."""
    size = batch.group_size if len(batch) % batch.group_size == 0 else 1
    tokens = batch.completion_mask.sum(1)
    group = int(tokens.view(-1, size).sum(1).argmax()) * size
    rows = batch.select(group + tokens[group : group + size].topk(min(size, 2)).indices)
    prompt, completion = rows.prompt_mask.clone(), rows.completion_mask.clone()
    prompt[:, :-_PROOF_PROMPT], completion[:, _PROOF_COMPLETION:] = False, False
    return replace(rows, prompt_mask=prompt, completion_mask=completion, group_size=len(rows)).trim()


_PROOF_PROMPT, _PROOF_COMPLETION = 512, 32


def _compare(policy: nn.Module, scorer: Scorer, what: str, error: Tensor, tolerance: float) -> None:
    if not error <= tolerance:
        raise RuntimeError(
            f"{what} by way of {scorer.name} differ by {float(error):.2g} from those of padded rows (tolerance "
            f"{tolerance}): this model does not attend as its configuration says. Pass {scorer.switch}=False to "
            f"{type(policy).__name__}, and please report the architecture"
        )
