"""Scoring of minibatches: the choice among ways, each checked against single rows on first use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.base import eval_mode
from rlframework.policies.forward import ModelForward
from rlframework.policies.self_check import (
    coarse,
    exact_twin,
    exactly,
    raised,
    rounds,
    unlike,
    wrong,
)
from rlframework.rollout import Rollout
from rlframework.utilities.distributed import any_rank


class Scorer(ABC):
    """Way of scoring: lays a minibatch out and scores it.

    Attributes:
        name: In messages.
        switch: Argument of the policy that switches it off.
        is_news: Whether the log says why it does not fit.
    """

    name: ClassVar[str]
    switch: ClassVar[str]
    is_news: ClassVar[bool] = True

    @abstractmethod
    def why_not(self, policy: ModelForward, batch: Rollout) -> str | None:
        """Return why this minibatch cannot be scored so, as far as configuration and shapes tell; None if it can.

        Args:
            policy: The policy that scores.
            batch: Whole groups.
        """

    @abstractmethod
    def score(self, policy: ModelForward, batch: Rollout, **options: Any) -> TokenLogProbs:
        """Return what `ModelForward.single_logprobs` returns, ``(B, T)``, 0 but for loss tokens.

        Args:
            policy: The policy that scores.
            batch: Whole groups.
            **options: Of `Head.score`.
        """


class Scoring:
    """Scoring of a policy: by the first scorer that fits, then padded rows, then single rows.

    The log says once for each reason why a faster one did not. The first minibatch of a way, and the first one with
    gradients, are scored for a few rows, and checked against the same rows each by itself. A way that differs is left,
    with a warning that has the figures.

    Args:
        scorers: The fastest first.
        padded: Whether rows may be padded where no scorer fits.
    """

    def __init__(self, scorers: Sequence[Scorer], padded: bool = True) -> None:
        self._scorers = scorers
        self._padded = padded
        self._told: set[tuple[Scorer, str]] = set()
        self._verified: set[tuple[Scorer | None, bool]] = set()
        self._refuted: set[Scorer] = set()

    def choose(self, policy: ModelForward, batch: Rollout) -> Scorer | None:
        """Return the scorer that is fastest for a minibatch; None if nothing but padded or single rows can score it.

        Args:
            policy: The policy that scores.
            batch: Whole groups.

        Raises:
            RuntimeError: The model's numbers are NaN.
        """
        for scorer in self._scorers:
            if scorer in self._refuted:
                continue
            reason = scorer.why_not(policy, batch)
            if reason is None and self._holds(policy, scorer, batch):
                return scorer
            if reason is not None and scorer.is_news and (scorer, reason) not in self._told:
                self._told.add((scorer, reason))
                rank_zero_info(f"No {scorer.name}: {reason}.")
        return None

    def pads(self, policy: ModelForward, batch: Rollout) -> bool:
        """Return whether padded rows score as single ones do; without it each has to be scored by itself.

        Args:
            policy: The policy that scores.
            batch: Whole groups.

        Raises:
            RuntimeError: The model's numbers are NaN.
        """
        if self._padded and (None, torch.is_grad_enabled()) not in self._verified:
            # Rows without a token have nothing to compare, and those without a prompt nothing to compare with.
            blank = not (batch.loss_mask.any() and batch.prompt_mask.any(1).all())
            if not any_rank(blank, policy):
                self._padded = self._holds(policy, None, batch)
        return self._padded

    def _holds(self, policy: ModelForward, scorer: Scorer | None, batch: Rollout) -> bool:
        """Return whether a way scores as single rows do; found out once without gradients, once with."""
        case = scorer, torch.is_grad_enabled()
        if case in self._verified:
            return True
        found = find_fault(policy, scorer, _sample(batch))
        if any_rank(found is not None, policy):
            if scorer is not None:
                self._refuted.add(scorer)
            rank_zero_warn(
                f"Left {scorer.switch if scorer else 'padded'}=True: "
                f"{found or 'another rank found that results differ'}. What is slower is right, and is used instead. "
                "Please report the architecture."
            )
            return False
        self._verified.add(case)
        return True


class _Reading(NamedTuple):
    """Result of a way of scoring: ``(n,)`` of the tokens of some rows, and gradients ``(m,)`` of some weights."""

    logprobs: Tensor
    entropies: Tensor
    gradients: Tensor

    @classmethod
    def of(
        cls,
        policy: nn.Module,
        score: Callable[[Rollout], TokenLogProbs],
        rows: Rollout,
        parameters: Sequence[nn.Parameter] = (),
        one_by_one: bool = False,
    ) -> _Reading:
        """Score rows and, where gradients are on, differentiate by the parameters.

        One by one takes the memory of one row.
        """
        parts = [rows.select(slice(row, row + 1)) for row in range(len(rows))] if one_by_one else [rows]
        sizes = [int(part.loss_mask.sum()) for part in parts]
        slopes = torch.linspace(-1, 1, sum(sizes), device=rows.loss_mask.device).split(sizes)
        weights = list(parameters) if torch.is_grad_enabled() else []
        logprobs, entropies, gradients = [], [], [torch.zeros_like(weight, dtype=torch.float32) for weight in weights]
        # Dropout would draw other numbers in each pass, and reentrant checkpoints know no gradient but of backward().
        with eval_mode(policy):
            for part, slope in zip(parts, slopes, strict=True):
                tokens, entropy = (found[part.loss_mask] for found in score(part))
                logprobs.append(tokens.detach())
                entropies.append(entropy.detach())
                if weights and tokens.requires_grad:
                    found = torch.autograd.grad((tokens * slope).sum(), weights, allow_unused=True)
                    for total, more in zip(gradients, found, strict=True):
                        total += 0.0 if more is None else more
        flat = torch.cat([total.flatten() for total in gradients]) if weights else torch.zeros(0)
        return cls(torch.cat(logprobs), torch.cat(entropies), flat)

    def apart(self, other: _Reading, largest: bool) -> dict[str, float]:
        """Return how far another reading is: of tokens the largest gap or the mean, of gradients that of the norm."""
        gaps = {
            "log-probabilities": (self.logprobs - other.logprobs).abs(),
            "entropies": (self.entropies - other.entropies).abs(),
        }
        found = {what: float(gap.max() if largest else gap.mean()) for what, gap in gaps.items()}
        size = self.gradients.norm().clamp(min=1e-12)
        return found | {"gradients (relative)": float((self.gradients - other.gradients).norm() / size)}


def find_fault(policy: ModelForward, scorer: Scorer | None, rows: Rollout) -> str | None:
    """Return how a scorer, or padded rows, differ from single rows; None if they do not.

    Args:
        policy: The policy as it is used.
        scorer: A way of scoring; None is padded rows.
        rows: A few rows in whole groups, with tokens.

    Raises:
        RuntimeError: Single rows score NaN.
    """
    with exact_twin(policy) as twin:
        # Chosen before anything runs: a sharded model may keep its weights gathered after a pass.
        weights = _small_ones(policy)
        if twin is None:
            own = _of_single_rows(policy, rows, weights)
            try:
                fast = _Reading.of(policy, _way(policy, scorer), rows, weights)
            except Exception as error:
                return raised(error)
            return _first(unlike(what, gap) for what, gap in own.apart(fast, largest=False).items())
        twin_weights = weights if twin is policy else _small_ones(twin)
        with exactly(policy):
            truth = _of_single_rows(twin, rows, twin_weights)
            try:
                fast = _Reading.of(twin, _way(twin, scorer), rows, twin_weights)
            except Exception as error:  # An architecture that nobody has tried may do anything.
                return raised(error)
        found = _first(wrong(what, gap) for what, gap in truth.apart(fast, largest=True).items())
        if found or not rounds(policy):
            return found
        own_errors = truth.apart(
            _Reading.of(policy, policy.single_logprobs, rows, weights, one_by_one=True), largest=False
        )
        fast_errors = truth.apart(_Reading.of(policy, _way(policy, scorer), rows, weights), largest=False)
        return _first(coarse(what, error, fast_errors[what]) for what, error in own_errors.items())


def _way(policy: ModelForward, scorer: Scorer | None) -> Callable[[Rollout], TokenLogProbs]:
    return policy.padded_logprobs if scorer is None else partial(scorer.score, policy)


def _of_single_rows(policy: ModelForward, rows: Rollout, weights: Sequence[nn.Parameter]) -> _Reading:
    """Return the result of single rows, which every way of scoring is checked against.

    Raises:
        RuntimeError: It cannot be had, or is no number.
    """
    try:
        reading = _Reading.of(policy, policy.single_logprobs, rows, weights, one_by_one=True)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise RuntimeError(
            f"{type(policy.model).__name__} cannot score a row by itself, in eval mode without mask and cache: "
            f"{type(error).__name__}: {error}"
        ) from error
    if reading.logprobs.isnan().any():
        raise RuntimeError(
            "the policy's log-probabilities are NaN: its weights have diverged, or were not numbers to begin with"
        )
    return reading


def _first(found: Iterable[str | None]) -> str | None:
    return next((text for text in found if text is not None), None)


def has_active_dropout(policy: nn.Module) -> bool:
    """Return whether dropout acts at present."""
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
    """Return two rows of each of two groups, cut short: a check must not take more memory than the steps after it."""
    size = batch.group_size if len(batch) % batch.group_size == 0 else 1
    tokens = batch.loss_mask.sum(1).view(-1, size)
    groups = tokens.sum(1).topk(min(2, len(tokens))).indices
    few = min(size, 2)
    chosen = (groups.unsqueeze(1) * size + tokens[groups].topk(few).indices).flatten()
    rows = batch.select(chosen)
    # Of a long prompt the middle is left out: what prompts have in common stays, and what a completion follows.
    place = rows.prompt_mask.long().cumsum(1)
    middle = (place > _CHECKED_PROMPT) & (place <= rows.prompt_mask.sum(1, keepdim=True) - _CHECKED_PROMPT)
    prompt, completion = rows.prompt_mask & ~middle, rows.completion_mask.clone()
    completion[:, _CHECKED_COMPLETION:] = False
    # Where rows begin with more than that of what was given, what is read of it is compared.
    scored = rows.loss_mask & completion if (rows.loss_mask & completion).any() else completion
    return replace(rows, prompt_mask=prompt, completion_mask=completion, loss_mask=scored, group_size=few).trim()


def read_tokens(batch: Rollout) -> Tensor:
    """Return which completion tokens have to be read to score the loss tokens, ``(B, T)`` bool: those before one.

    Args:
        batch: What is scored.

    Example:
        >>> from rlframework.completions import Completion, Completions
        >>> from rlframework.prompt import Prompt
        >>> from rlframework.turns import Turn
        >>> turns = [Turn(0, 1, "policy", "a"), Turn(1, 3, "environment", "bc"), Turn(3, 4, "policy", "d")]
        >>> rows = [Completion(Prompt([1], ""), [2, 3, 4, 5], "", "stop", turns=turns)]
        >>> read_tokens(Rollout.of(Completions(rows, group_size=1), pad_id=0)).tolist()
        [[True, True, True, False]]
    """
    scored = batch.loss_mask.long()
    return batch.completion_mask & (scored.flip(1).cumsum(1).flip(1) > scored)


_CHECKED_PROMPT, _CHECKED_COMPLETION = 128, 32
