"""Base of policy-gradient algorithms: advantages, a per-token surrogate and token weights become a loss."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.functional.masks import off_policy_mask
from rlframework.loop.logging import tally_staleness
from rlframework.loop.optimizer_step import with_entropy_masks
from rlframework.loop.rollout_algorithm import RolloutAlgorithm
from rlframework.loop.zero_advantage import score_with_gradient_where_needed
from rlframework.metrics import Tally
from rlframework.rewards.base import Scores
from rlframework.rollout import Rollout
from rlframework.terms import EntropyBonus, SamplerCorrection, SamplerRatio
from rlframework.utilities.arguments import at_least
from rlframework.utilities.distributed import all_gather_object, global_rank, may_call_unequally_often


class Loss(NamedTuple):
    """The terms of a minibatch's loss, scalars that add up to it.

    Args:
        policy: The weighted sum of the surrogate.
        kl: The weighted sum of the KL divergence in the loss.
        entropy: The entropy bonus, negative.
    """

    policy: Tensor
    kl: Tensor
    entropy: Tensor

    @property
    def total(self) -> Tensor:
        """Total loss, the scalar that is differentiated."""
        return torch.stack(self).sum()


class PolicyGradient(RolloutAlgorithm):
    """Samples groups of completions, scores them, and steps along a per-token surrogate.

    Override `advantages`, `surrogate` and `token_weights`: together they are the algorithm. Further hooks:

    - `advantages_of_scores` to look at single reward components (`GDPO`);
    - `importance` for another level of the ratio (`GSPO`, `RLOO`);
    - `surrogate_factor` where an option acts inside the surrogate (`GMPO`, `VESPO`);
    - `diagnostics` to log more (`GRPO`);
    - `prepare_step` for what an optimizer step fixes over its minibatches (`BNPO`), `after_step` for what reacts to it;
    - `minibatch_order` for another order of rows;
    - ``sequence_ratio`` and ``depends_on_minibatches``, which state what the surrogate and the weights are like.

    Options of a subclass are annotated fields, checked in ``__post_init__``. That method, ``setup`` and the ``on_...``
    hooks that this class has itself call for ``super()``. `collect` and `training_step` are final: they own the order
    of events, every option below and every denominator.

    The loss of an optimizer step, over all its rows on all ranks, is::

        sum(token_weights * (factor * surrogate + kl_coefficient * KL)) - entropy_bonus * mean entropy

    How those rows are cut into minibatches, accumulated or spread over ranks does not change it. The factor is 1 unless
    one of the options leaves out or weighs tokens.

    Raises:
        ValueError: Groups of one (no other row to compare with), a temperature of 0 (all rows of a group alike), a
            number out of range, or two options that mean nothing together.

    Example:
        REINFORCE with a constant baseline, in full:

        >>> from rlframework.functional.surrogates import weighted_logprobs
        >>> class Reinforce(PolicyGradient):
        ...     def advantages(self, rewards):
        ...         return rewards - 0.5
        ...     def surrogate(self, logprobs, batch):
        ...         return weighted_logprobs(logprobs, self.log_ratio(logprobs, batch), batch.advantages)
        ...     def token_weights(self, mask):
        ...         return mask / mask.sum()

    Attributes:
        trust_region: True if the surrogate bounds how far a token's ratio can move the policy, as a clip does: then
            `SamplerRatio` can correct rollouts that are ahead of learning. A ``ratio_cap`` bounds it, too.
        sequence_ratio: True if the surrogate is one number per completion, so that none of its tokens can be left out.
    """

    trust_region: ClassVar[bool] = False
    sequence_ratio: ClassVar[bool] = False

    ratio_cap: float | None = None
    """Upper bound of the importance ratio itself, for advantages of either sign (two-sided clipping, INTELLECT-2,
    arXiv:2505.07291)."""
    off_policy_threshold: float | None = None
    """Leave out rows of negative advantage that the policy has moved away from by more than this many nats per token
    (`off_policy_mask`)."""
    top_entropy_share: float = 1.0
    """Learn only from this share of the optimizer step's tokens, those of the highest entropy under the weights that
    the step starts from. Costs a forward pass."""
    entropy_bonus: EntropyBonus | None = None
    """Bonus for the policy's entropy; none by default."""

    def __post_init__(self) -> None:
        """Check the options of the loss: ratio cap, thresholds and shares."""
        super().__post_init__()
        at_least(self, 0, off_policy_threshold=self.off_policy_threshold)
        if self.ratio_cap is not None and self.ratio_cap <= 1:
            raise ValueError(
                f"ratio_cap={self.ratio_cap} bounds the ratio itself, and that is 1 on-policy; it must be above 1"
            )
        if not 0 < self.top_entropy_share <= 1:
            raise ValueError(f"top_entropy_share must be in (0, 1], got {self.top_entropy_share}")
        if self.sequence_ratio and self.top_entropy_share < 1:
            raise ValueError(
                f"top_entropy_share={self.top_entropy_share} leaves out tokens, and the surrogate of "
                f"{type(self).__name__} is one number per completion, through which every token would still learn"
            )
        if self.sampler_correction is not None and self.sampler_correction.anchors and not self.bounds_tokens:
            reason = "one ratio for a completion" if self.sequence_ratio else "no bound on the ratio of a token"
            raise ValueError(
                f"{type(self.sampler_correction).__name__} has the surrogate's clip make up for the sampler, and "
                f"{type(self).__name__} has {reason}; use TokenTruncation()"
            )
        self._zero_advantages_teach = False

    @property
    def bounds_tokens(self) -> bool:
        """Whether each token's ratio has a bound of its own: a ``trust_region``, or a ``ratio_cap``."""
        return (self.trust_region or self.ratio_cap is not None) and not self.sequence_ratio

    def correction_ahead(self) -> SamplerCorrection:
        """Return `SamplerRatio` where the surrogate bounds the ratio of a token, else `TokenTruncation`."""
        return SamplerRatio() if self.bounds_tokens else super().correction_ahead()

    @abstractmethod
    def advantages(self, rewards: Tensor) -> Tensor:
        """Turn rewards ``(N, G)`` of all ranks into advantages ``(N, G)``.

        A NaN reward has abstained. Its advantage, and any that is NaN here, becomes 0.
        """

    @abstractmethod
    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Return the per-token loss to minimise, ``(B, T)`` or ``(B, 1)``, without any reduction.

        A pure function: it is called more than once for a minibatch, also while only some of its tokens are scored.
        What is to be logged belongs in `diagnostics`.

        Args:
            logprobs: ``(B, T)`` of the present policy, with gradient; 0 outside the loss mask.
            batch: The rows; ``batch.advantages`` is ``(B, 1)``.
        """

    @abstractmethod
    def token_weights(self, mask: Tensor) -> Tensor:
        """Return what each token's loss counts for, ``(B, T)``, given all rows of one optimizer step on all ranks."""

    def advantages_of_scores(self, scores: Scores) -> Tensor:
        """Turn the scores of all ranks into advantages ``(N, G)``; override it to look at single reward components."""
        return self.advantages(scores.total)

    def importance(self, log_ratio: Tensor, mask: Tensor) -> Tensor:
        """Turn the log-ratios of tokens, ``(B, T)``, into those that the surrogate uses: ``(B, T)`` or ``(B, 1)``.

        Args:
            log_ratio: ``(B, T)`` log pi - log pi_old of tokens, 0 outside the mask.
            mask: ``(B, T)`` bool, loss tokens.
        """
        return log_ratio

    def surrogate_factor(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Return the factor by which the options multiply the surrogate, ``(B, T)`` or ``(B, 1)``, without gradient.

        Args:
            logprobs: As in `surrogate`.
            batch: As in `surrogate`.
        """
        factor = torch.ones_like(batch.advantages)
        if batch.sampler_correction is not None:
            factor = factor * batch.sampler_correction
        if batch.entropy_mask is not None:
            factor = factor * batch.entropy_mask
        if self.off_policy_threshold is not None:
            known = logprobs if batch.old_logprobs is None else batch.old_logprobs
            behaviour = known if batch.sampler_logprobs is None else batch.sampler_logprobs
            threshold = self.off_policy_threshold
            factor = factor * off_policy_mask(logprobs, behaviour, batch.advantages, batch.loss_mask, threshold)
        return factor

    def diagnostics(self, logprobs: Tensor, batch: Rollout) -> dict[str, Tensor]:
        """Return more metrics by name, to be averaged over the step's tokens or rows and logged under ``train/``.

        Each is ``(B, T)`` or ``(B, 1)``.

        Args:
            logprobs: As in `surrogate`, without gradient.
            batch: As in `surrogate`.
        """
        return {}

    @final
    def log_ratio(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Return log pi - log pi_old at the level of `importance`, ``(B, T)`` or ``(B, 1)``, at most log ``ratio_cap``.

        Where the rollout has no ``old_logprobs`` (one step per rollout, no option that needs them) pi_old is pi, and
        only gradients flow.

        Args:
            logprobs: ``(B, T)``, as `surrogate` gets them.
            batch: The rows.
        """
        log_ratio = self._uncapped_log_ratio(logprobs, batch)
        return log_ratio if self.ratio_cap is None else log_ratio.clamp(max=math.log(self.ratio_cap))

    def _uncapped_log_ratio(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        old = logprobs.detach() if batch.old_logprobs is None else batch.old_logprobs
        mask = batch.loss_mask
        return self.importance((logprobs - old).masked_fill(~mask, 0.0), mask)

    @final
    def training_step(self, batch: Rollout, batch_idx: int) -> Tensor:
        """Return the scalar loss of a minibatch: the weighted sum of surrogate and KL over its tokens, less the bonus.

        Args:
            batch: The minibatch, ``B`` rows in whole groups.
            batch_idx: Number of the minibatch; unused.
        """
        scored = self._scored(batch)
        loss = self.objective(scored, batch)
        with torch.no_grad():
            self._measure(scored, batch, loss.policy)
            self._tell("on_minibatch_scored", batch, TokenLogProbs(*(part.detach() for part in scored)))
        return self.loss_of_minibatch(loss.total)

    def _scored(self, batch: Rollout) -> TokenLogProbs:
        """Score a minibatch, ``(B, T)``, with gradients where the loss may have a slope."""
        options = {} if self.entropy_bonus is None else {"entropy_gradient": True}
        parts = not self._zero_advantages_teach and may_call_unequally_often(self.trainer)
        scored, teach = score_with_gradient_where_needed(
            self.policy,
            batch,
            lambda scored, rows: self.objective(scored, rows).total,
            in_parts=parts and self.policy.scores_rows_apart(batch),
            **options,
        )
        self._zero_advantages_teach |= teach
        return scored

    @final
    def objective(self, scored: TokenLogProbs, batch: Rollout) -> Loss:
        """Return the terms of a minibatch's loss, scalars; a pure function.

        Args:
            scored: ``(B, T)`` log-probabilities and entropies under the present policy.
            batch: The minibatch.
        """
        # Padding may hold any finite number; as 0 it cannot overflow in an exponential and poison a sum with 0 * inf.
        logprobs = scored.logprobs.masked_fill(~batch.loss_mask, 0.0)
        surrogate = self.surrogate(logprobs, batch)
        if surrogate.shape not in (batch.loss_mask.shape, (len(batch), 1)):
            # Broadcasting would make something else of it.
            raise ValueError(
                f"surrogate() returned {tuple(surrogate.shape)}; expected (B, T) = {tuple(batch.loss_mask.shape)} or "
                "(B, 1)"
            )
        loss = (batch.weights * self.surrogate_factor(logprobs, batch) * surrogate).sum()
        nothing = torch.zeros_like(loss)
        return Loss(loss, self._kl_loss(logprobs, batch, nothing), self._bonus(scored.entropy, batch, nothing))

    @final
    def token_terms(self, scored: TokenLogProbs, batch: Rollout) -> dict[str, Tensor]:
        """Return what the loss of a minibatch is made of token by token, ``(B, T)`` each, by name; for people to read.

        ``logprob`` and ``entropy`` are the policy's, ``ratio`` is that of `importance` to ``old_logprob``,
        ``surrogate`` what `surrogate` returned, ``weight`` and ``factor`` what it is multiplied by: the products add up
        to `Loss.policy`. ``slope`` is the derivative of the whole loss by the log-probability: a step makes tokens
        likelier whose slope is negative. There are also ``advantage``, where the batch has them ``sampler_logprob``,
        ``reference_logprob`` and ``kl`` (as it is logged), and what `diagnostics` returns. 0 outside the loss mask.

        Args:
            scored: ``(B, T)`` log-probabilities and entropies, as `objective` had them.
            batch: The minibatch.
        """
        mask = batch.loss_mask
        leaves = TokenLogProbs(*(part.detach().clone().requires_grad_() for part in scored))
        with torch.enable_grad():
            [slope] = torch.autograd.grad(self.objective(leaves, batch).total, leaves[:1], materialize_grads=True)
        with torch.no_grad():
            logprobs = scored.logprobs.detach().masked_fill(~mask, 0.0)
            terms = {
                "logprob": logprobs,
                "entropy": scored.entropy.detach(),
                "advantage": batch.advantages,
                "ratio": self.log_ratio(logprobs, batch).exp(),
                "surrogate": self.surrogate(logprobs, batch),
                "weight": batch.weights,
                "factor": self.surrogate_factor(logprobs, batch),
                "slope": slope,
                **self.diagnostics(logprobs, batch),
            }
            known = {
                "old": batch.old_logprobs,
                "sampler": batch.sampler_logprobs,
                "reference": batch.reference_logprobs,
            }
            terms |= {f"{name}_logprob": values for name, values in known.items() if values is not None}
            if batch.reference_logprobs is not None:
                reference = batch.reference_logprobs.masked_fill(~mask, 0.0)
                terms["kl"] = self.kl.estimator(logprobs, reference)
            return {name: values.expand_as(mask).masked_fill(~mask, 0.0) for name, values in terms.items()}

    def _kl_loss(self, logprobs: Tensor, batch: Rollout, nothing: Tensor) -> Tensor:
        if batch.reference_logprobs is None:
            return nothing
        reference = batch.reference_logprobs.masked_fill(~batch.loss_mask, 0.0)
        per_token = self.kl.token_loss(logprobs, reference, self._uncapped_log_ratio(logprobs, batch))
        return nothing if per_token is None else self.kl_coefficient * (batch.weights * per_token).sum()

    def _bonus(self, entropy: Tensor, batch: Rollout, nothing: Tensor) -> Tensor:
        if self.entropy_bonus is None or batch.entropy_weights is None:
            return nothing
        if not entropy.requires_grad:
            raise RuntimeError(
                f"an entropy bonus needs entropies with gradient, and {type(self.policy).__name__}.logprobs returned "
                "constants; hand its entropy_gradient argument on to token_logprobs"
            )
        return -self.entropy_bonus.coefficient * (batch.entropy_weights * entropy).sum()

    def _measure(self, scored: TokenLogProbs, batch: Rollout, loss: Tensor) -> None:
        """Add the metrics of a minibatch to the tally of its optimizer step."""
        mask = batch.loss_mask
        logprobs = scored.logprobs.masked_fill(~mask, 0.0)
        self._tally.sum("surrogate", loss)
        self._tally.mean("entropy", scored.entropy, mask)
        if batch.reference_logprobs is not None:
            reference = batch.reference_logprobs.masked_fill(~mask, 0.0)
            self._tally.mean("kl", self.kl.estimator(logprobs, reference), mask)
        if self.entropy_bonus is not None and batch.entropy_weights is not None:
            coefficient = torch.tensor(self.entropy_bonus.coefficient, device=mask.device)
            self._tally.mean("entropy_of_bonus", scored.entropy, batch.entropy_weights > 0)
            self._tally.mean("entropy_coefficient", coefficient)
        if self.rollouts_ahead and batch.sampler_logprobs is not None:
            tally_staleness(self._tally, logprobs, batch)
        for name, values in self.diagnostics(logprobs, batch).items():
            self._tally.mean(name, values, mask if values.shape == mask.shape else mask.any(1, keepdim=True))

    def prepare_step(self, minibatches: list[Rollout]) -> list[Rollout]:
        """Mark the tokens of high entropy among all of the optimizer step, on all ranks."""
        if self.top_entropy_share == 1 and self.entropy_bonus is None:
            return minibatches
        minibatches = [minibatch.to(self.device) for minibatch in minibatches]
        entropies = None
        if self.top_entropy_share < 1:
            with self.inference():
                entropies = [self.policy.logprobs(minibatch).entropy.float() for minibatch in minibatches]
        return with_entropy_masks(self.trainer, minibatches, entropies, self.top_entropy_share)

    def after_step(self, tally: Tally) -> None:
        """Let the entropy bonus react to the mean entropy of the step."""
        if self.entropy_bonus is not None:
            self.entropy_bonus.observe(tally.values(self.trainer)["entropy_of_bonus"])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save also, for every rank, whether groups of zero advantage have taught something: a resumed run knows it."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["zero_advantages_teach"] = all_gather_object(self._zero_advantages_teach)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore whether groups of zero advantage have taught something."""
        super().on_load_checkpoint(checkpoint)
        (rank, ranks), saved = global_rank(), checkpoint.get("zero_advantages_teach", [False])
        self._zero_advantages_teach = saved[rank] if len(saved) == ranks else any(saved)
