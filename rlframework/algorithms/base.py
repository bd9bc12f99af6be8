"""What learns: the abstract policy-gradient algorithm, an ordinary LightningModule."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.functional.masks import off_policy_gate
from rlframework.loop.callback import RolloutCallback
from rlframework.loop.collect import collect, tally_gap, tally_rollout
from rlframework.loop.optimizer_step import with_entropy_masks
from rlframework.loop.preflight import check_arguments, checked_surrogate
from rlframework.loop.rollout_algorithm import RolloutModule
from rlframework.loop.rollout_watch import RolloutWatch
from rlframework.loop.zero_advantage import score_what_learns
from rlframework.metrics import Tally
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel, Scores
from rlframework.rollout import Rollout
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.check import SamplerCheck
from rlframework.terms import EntropyBonus, KLInLoss, KLTerm, SamplerCorrection


class PolicyGradient(RolloutModule):
    """Samples groups of completions, scores them, and steps along a per-token surrogate.

    Override `advantages`, `surrogate` and `token_weights`: together they are the algorithm. Override `importance` for
    another level of the ratio, `diagnostics` to log more, and any Lightning hook as usual; ``setup`` and the ``on_...``
    hooks that this class has itself call for ``super()``. Do not override `collect` and `training_step`: they own the
    order of events, every option below and every denominator.

    The loss of an optimizer step, over all its rows on all ranks, is::

        sum(token_weights * (factor * surrogate + kl_coefficient * KL)) - entropy_bonus * mean entropy

    How those rows are cut into minibatches, accumulated or spread over ranks does not change it. The factor is 1 unless
    one of the options leaves out or weighs tokens.

    Args:
        policy: What is trained.
        reward: What judges; compose several with ``+`` and ``*``.
        sampler: What samples; its ``group_size`` is ``G`` and its ``temperature`` that of every log-probability.
        kl_coefficient: Weight of the KL divergence to `Policy.reference`: the policy as it is now, or of a policy with
            an adapter the model without it. 0 keeps no reference.
        kl: Where the divergence enters and by which estimate; by default ``KLInLoss(k3)``.
        ratio_cap: Upper bound of the importance ratio itself, whatever the sign of the advantage (two-sided clipping,
            INTELLECT-2, arXiv:2505.07291).
        off_policy_threshold: Leave out rows of negative advantage that the policy has moved away from by more than
            this many nats per token (`off_policy_gate`).
        top_entropy_share: Learn only from this share of the optimizer step's tokens, those of the highest entropy
            under the weights that the step starts from. Costs a forward pass.
        entropy_bonus: What keeps the entropy up.
        mask_truncated: Do not learn from completions that the token budget ended. Unless ``count_masked``, they take no
            part in their group's statistics and in no denominator: as if they had not been sampled.
        count_masked: Leave the masked rows in their group's statistics and in ``B``, as TRL does.
        sampler_correction: Makes up for a sampler that is not quite the policy; by default the sampler's own
            ``correction``, which an engine in another process has and the samplers of this process have not.
        **options: As in `RolloutModule`: sizes of a rollout, optimizer, validation, seed.

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
        reuses_sampler_logprobs: Whether the sampler gave the log-probabilities of the policy so far; that then spares a
            forward pass.
        sampler_check: Holds what a sampler of this process says of its tokens against the policy.
        watch: Looks at rollouts for signs that nothing, or noise, is learned from them.
        sequence_ratio: True if the surrogate is one number per completion, so that none of its tokens can be left out.
    """

    sequence_ratio: ClassVar[bool] = False

    def __init__(
        self,
        policy: Policy,
        reward: RewardModel,
        sampler: GroupSampler,
        *,
        kl_coefficient: float = 0.0,
        kl: KLTerm | None = None,
        ratio_cap: float | None = None,
        off_policy_threshold: float | None = None,
        top_entropy_share: float = 1.0,
        entropy_bonus: EntropyBonus | None = None,
        mask_truncated: bool = False,
        count_masked: bool = False,
        sampler_correction: SamplerCorrection | None = None,
        **options: Any,
    ) -> None:
        super().__init__(policy, reward, sampler, **options)
        self.kl_coefficient = kl_coefficient
        self.kl = kl or KLInLoss()
        self.ratio_cap = ratio_cap
        self.off_policy_threshold = off_policy_threshold
        self.top_entropy_share = top_entropy_share
        self.entropy_bonus = entropy_bonus
        self.mask_truncated = mask_truncated
        self.count_masked = count_masked
        self.sampler_correction = sampler_correction or sampler.correction
        self.reuses_sampler_logprobs = True
        self.sampler_check = SamplerCheck()
        self.watch = RolloutWatch()
        check_arguments(self)
        self.reference = policy.reference() if kl_coefficient else None

    @abstractmethod
    def advantages(self, rewards: Tensor) -> Tensor:
        """Turn rewards ``(N, G)`` of all ranks into advantages ``(N, G)``.

        A NaN reward has abstained. Its advantage, and any that is NaN here, becomes 0.
        """

    @abstractmethod
    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Return the per-token loss to minimise, ``(B, T)`` or ``(B, 1)``, without any reduction.

        A pure function: it is asked more than once for a minibatch, also about log-probabilities that are made up, to
        learn beforehand where the loss has a slope. What is to be logged belongs in `diagnostics`.

        Args:
            logprobs: ``(B, T)`` of the present policy, with gradient; 0 outside the loss mask.
            batch: The rows; ``batch.advantages`` is ``(B, 1)``.
        """

    @abstractmethod
    def token_weights(self, mask: Tensor) -> Tensor:
        """Return what each token's loss counts for, ``(B, T)``, given all rows of one optimizer step on all ranks."""

    def advantages_of_scores(self, scores: Scores) -> Tensor:
        """Turn scores of all ranks into advantages ``(N, G)``; override it to look at single reward components."""
        return self.advantages(scores.total)

    def importance(self, log_ratio: Tensor, mask: Tensor) -> Tensor:
        """Turn the log-ratios of tokens, ``(B, T)``, into those that the surrogate uses: ``(B, T)`` or ``(B, 1)``."""
        return log_ratio

    def surrogate_factor(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Return what the options multiply the surrogate by, ``(B, T)`` or ``(B, 1)``, without gradient."""
        factor = torch.ones_like(batch.advantages)
        if batch.sampler_correction is not None:
            factor = factor * batch.sampler_correction
        if batch.entropy_mask is not None:
            factor = factor * batch.entropy_mask
        if self.off_policy_threshold is not None:
            known = logprobs if batch.old_logprobs is None else batch.old_logprobs
            behaviour = known if batch.sampler_logprobs is None else batch.sampler_logprobs
            threshold = self.off_policy_threshold
            factor = factor * off_policy_gate(logprobs, behaviour, batch.advantages, batch.loss_mask, threshold)
        return factor

    def diagnostics(self, logprobs: Tensor, batch: Rollout) -> dict[str, Tensor]:
        """Return quantities to be averaged over the step's tokens ``(B, T)`` or rows ``(B, 1)``, for ``train/``."""
        return {}

    @final
    def log_ratio(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Return log pi - log pi_old at the level of `importance`, no more than the log of ``ratio_cap``.

        Where the rollout has no ``old_logprobs`` (one step per rollout, no option that needs them) pi_old is pi, and
        only gradients flow.
        """
        log_ratio = self._uncapped_log_ratio(logprobs, batch)
        return log_ratio if self.ratio_cap is None else log_ratio.clamp(max=math.log(self.ratio_cap))

    def _uncapped_log_ratio(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        old = logprobs.detach() if batch.old_logprobs is None else batch.old_logprobs
        mask = batch.loss_mask
        return self.importance((logprobs - old).masked_fill(~mask, 0.0), mask)

    @final
    def training_step(self, batch: Rollout, batch_idx: int) -> Tensor:
        """Return the loss of one minibatch: the weighted sum of surrogate and KL over its tokens, less the bonus."""
        options = {} if self.entropy_bonus is None else {"entropy_gradient": True}
        scored = score_what_learns(self, batch, **options)
        terms = self.objective(scored, batch)
        with torch.no_grad():
            self._measure(scored, batch, terms[0])
        return self.loss_of_minibatch(terms.sum())

    @final
    def objective(self, scored: TokenLogProbs, batch: Rollout) -> Tensor:
        """Return the terms of the loss, ``(3,)``: policy, KL and entropy; it may be asked more than once."""
        # Padding may hold any finite number; as 0 it cannot overflow in an exponential and poison a sum with 0 * inf.
        logprobs = scored.logprobs.masked_fill(~batch.loss_mask, 0.0)
        surrogate = checked_surrogate(self.surrogate(logprobs, batch), batch.loss_mask)
        loss = (batch.weights * self.surrogate_factor(logprobs, batch) * surrogate).sum()
        nothing = torch.zeros_like(loss)
        return torch.stack([loss, self._kl_loss(logprobs, batch, nothing), self._bonus(scored.entropy, batch, nothing)])

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
        """Add what there is to say of a minibatch to the figures of its optimizer step."""
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
        for name, values in self.diagnostics(logprobs, batch).items():
            self._tally.mean(name, values, mask if values.shape == mask.shape else mask.any(1, keepdim=True))

    def prepare_step(self, minibatches: list[Rollout]) -> list[Rollout]:
        """Find the tokens of high entropy among all of the optimizer step, on all ranks."""
        if self.top_entropy_share == 1 and self.entropy_bonus is None:
            return minibatches
        return with_entropy_masks(self, minibatches, self.top_entropy_share)

    def after_step(self, tally: Tally) -> None:
        """Let the entropy bonus react."""
        if self.entropy_bonus is not None:
            self.entropy_bonus.observe(tally.values(self.trainer)["entropy_of_bonus"])

    @final
    def collect(self, prompts: list[Prompt], step: int) -> Rollout:
        """Make one rollout from this rank's prompts, with the policy's present weights, and tell the callbacks."""
        started = time.perf_counter()
        # Lightning would keep the last step's gradients until the next backward pass; a rollout has use for the room.
        self.zero_grad(set_to_none=True)
        self._tell("on_rollout_start", prompts)
        collected = collect(self, prompts, step)
        self._tell("on_rollout_end", collected)
        tally_rollout(self._tally, collected, time.perf_counter() - started)
        # What the policy itself sampled is not scored again, and has no gap to show.
        if not self.sampler.samples_policy_itself:
            tally_gap(self._tally, collected.rollout)
        return collected.rollout

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save also whether the policy scores rollouts itself: a resumed run must not trust the sampler again."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["policy_scores_rollouts"] = not self.reuses_sampler_logprobs

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore whether the policy scores rollouts itself."""
        super().on_load_checkpoint(checkpoint)
        trusted, _ = checkpoint.get("shortcuts", (True, True))  # as version 0.1 has it
        self.reuses_sampler_logprobs = not checkpoint.get("policy_scores_rollouts", not trusted)

    def _tell(self, moment: str, *arguments: Any) -> None:
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, RolloutCallback):
                getattr(callback, moment)(self.trainer, self, *arguments)
