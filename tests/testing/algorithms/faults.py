"""Wrong algorithms, each a plausible slip of the pen, and the check that has to catch it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlframework import GRPO, GSPO, REINFORCE, PolicyGradient, Rollout
from rlframework.functional.advantages import group_centered
from rlframework.functional.divergences import k3
from rlframework.functional.ratios import masked_mean
from rlframework.functional.surrogates import ratio_of, weighted_logprobs
from rlframework.functional.weights import sequence_mean
from rlframework.terms import KLInLoss

PLANTED: dict[type[PolicyGradient], str] = {}


def caught_by(check: str) -> Any:
    def register(kind: type[PolicyGradient]) -> type[PolicyGradient]:
        PLANTED[kind] = check
        return kind

    return register


@caught_by("accumulation")
class MeanOfMeans(GRPO):
    """Averages over the tokens of each minibatch; Lightning then averages the averages."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        return super().surrogate(logprobs, batch) / batch.loss_mask.sum()

    def token_weights(self, mask: Tensor) -> Tensor:
        return mask.float()


@caught_by("accumulation")
class WhitensEachMinibatch(GRPO):
    """Divides advantages by their spread among the rows that happen to be together."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        return super().surrogate(logprobs, batch) / (batch.advantages.std() + 1e-4)


@caught_by("padding")
class MaskInNumeratorOnly(GRPO):
    """Sums over tokens and divides by columns."""

    def token_weights(self, mask: Tensor) -> Tensor:
        return mask / mask.numel()


@caught_by("padding")
class AveragesPadding(GSPO):
    """The mean of the log-ratio runs over padding too."""

    def importance(self, log_ratio: Tensor, mask: Tensor) -> Tensor:
        return log_ratio.mean(1, keepdim=True)


@caught_by("permutation")
class FirstRowIsBaseline(GRPO):
    """Compares with the first completion of the group."""

    def advantages(self, rewards: Tensor) -> Tensor:
        return rewards - rewards[:, :1]


@caught_by("permutation")
class FirstRowsCountMore(GRPO):
    """Weighs rows by their place in the step."""

    def token_weights(self, mask: Tensor) -> Tensor:
        return sequence_mean(mask) * torch.linspace(1.5, 0.5, len(mask)).unsqueeze(1)


@caught_by("observations")
class CountsWhatWasGiven(GRPO):
    """The length of an episode holds what the environment said."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        return super().surrogate(logprobs, batch) / batch.completion_mask.sum(1, keepdim=True)

    def token_weights(self, mask: Tensor) -> Tensor:
        return mask / len(mask)


@caught_by("observations")
class RatioOfWhatWasGiven(GSPO):
    """The ratio of an episode holds tokens that nobody sampled."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        old = logprobs.detach() if batch.old_logprobs is None else batch.old_logprobs
        ratio = masked_mean(logprobs - old, batch.completion_mask).exp()
        return -ratio * batch.advantages


@caught_by("reward_shift_and_scale")
class BiasedSpread(GRPO):
    """Divides by the population's standard deviation."""

    def advantages(self, rewards: Tensor) -> Tensor:
        centred = group_centered(rewards)
        return centred / (centred.square().nanmean(1, keepdim=True).sqrt() + 1e-4)


@caught_by("reward_shift_and_scale")
class LargeEpsilonBesideTheBatch(GRPO):
    """Adds to the spread of all groups a number as large: neither normalised nor proportional."""

    def advantages(self, rewards: Tensor) -> Tensor:
        centred = group_centered(rewards)
        return centred / (centred.std() + 30.0)


@caught_by("reward_shift_and_scale")
class DividesByVariance(GRPO):
    """Forgets the root."""

    def advantages(self, rewards: Tensor) -> Tensor:
        centred = group_centered(rewards)
        return centred / (centred.square().sum(1, keepdim=True) / (rewards.shape[1] - 1) + 1e-4)


@caught_by("reward_shift_and_scale")
class WrongAxis(GRPO):
    """The mean over prompts in place of the mean over the group."""

    def advantages(self, rewards: Tensor) -> Tensor:
        return (rewards - rewards.nanmean(0, keepdim=True)).nan_to_num(0.0)


@caught_by("zero_variance")
class BlowsUpRounding(GRPO):
    """Divides the rounding error of a mean by a spread that is one too."""

    def advantages(self, rewards: Tensor) -> Tensor:
        centred = rewards - rewards.nanmean(1, keepdim=True)
        spread = (centred.nan_to_num(0.0).square().sum(1, keepdim=True) / (rewards.shape[1] - 1)).sqrt()
        return centred / (spread + 1e-8)


@caught_by("abstention")
class OneAbstentionSilencesTheGroup(GRPO):
    """NaN minus anything is NaN."""

    def advantages(self, rewards: Tensor) -> Tensor:
        return rewards - rewards.mean(1, keepdim=True)


@caught_by("abstention")
class AbstentionIsAWrongAnswer(GRPO):
    """A row that was not judged is punished."""

    def advantages(self, rewards: Tensor) -> Tensor:
        return group_centered(rewards.nan_to_num(0.0))


@caught_by("on_policy_ratio")
class StaleOldLogprobs(GRPO):
    """Keeps the first rollout's log-probabilities for ever."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        known = self.__dict__.setdefault("old", logprobs.detach())
        old = known if known.shape == logprobs.shape else logprobs.detach()
        return weighted_logprobs(logprobs, logprobs - old, batch.advantages)


@caught_by("on_policy_ratio")
class TrustsTheSampler(GRPO):
    """Takes the engine's log-probabilities for those of the policy."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        log_ratio = (logprobs - batch.sampler_logprobs).masked_fill(~batch.loss_mask, 0.0)
        return weighted_logprobs(logprobs, log_ratio, batch.advantages)


@caught_by("trust_region")
class ClipsTheWrongSide(GRPO):
    """The larger of the two in place of the smaller."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        ratio = ratio_of(self.log_ratio(logprobs, batch))
        return -torch.maximum(ratio * batch.advantages, ratio.clamp(0.8, 1.2) * batch.advantages)


@caught_by("trust_region")
class ClipsBothSides(GRPO):
    """Forgets the minimum: rows beyond the clip never come back."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        return -ratio_of(self.log_ratio(logprobs, batch)).clamp(0.8, 1.2) * batch.advantages


@caught_by("trust_region")
class StatesABoundThatItLacks(REINFORCE):
    """Says that stale rollouts are safe with it, and follows a ratio wherever it goes."""

    trust_region = True


@caught_by("direction")
class SignError(GRPO):
    """Descends where it should climb."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        return -super().surrogate(logprobs, batch)


@caught_by("every_token")
class DropsTheStopToken(GRPO):
    """Shifts the mask by one."""

    def token_weights(self, mask: Tensor) -> Tensor:
        followed = torch.nn.functional.pad(mask[:, 1:], (0, 1))
        return sequence_mean(mask) * followed


@caught_by("every_token")
class OnlyTheLastToken(GRPO):
    """Gives the reward to the token it came with, as if there were no others."""

    def token_weights(self, mask: Tensor) -> Tensor:
        last = mask & ~torch.nn.functional.pad(mask[:, 1:], (0, 1))
        return last / len(mask)


class HalvesItsGradient(torch.autograd.Function):
    """A clamp with a backward of its own, which forgets a factor where it clamps."""

    @staticmethod
    def forward(context: Any, ratio: Tensor) -> Tensor:
        context.save_for_backward(ratio)
        return ratio.clamp(max=1.2)

    @staticmethod
    def backward(context: Any, slopes: Tensor) -> Tensor:
        (ratio,) = context.saved_tensors
        return torch.where(ratio > 1.2, 0.5, 1.0) * slopes


@caught_by("finite_differences")
class BackwardOfItsOwn(GRPO):
    """A straight-through clip: the loss does not rise, its gradient says it does."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        return -HalvesItsGradient.apply(ratio_of(self.log_ratio(logprobs, batch))) * batch.advantages


@caught_by("kl")
class ReverseKL(GRPO):
    """Swaps policy and reference."""

    def __init__(self, *args: Any, kl: KLInLoss | None = None, **kwargs: Any) -> None:
        swapped = KLInLoss(lambda logprobs, reference: k3(reference, logprobs))
        super().__init__(*args, kl=kl or swapped, **kwargs)


class Repulsion(KLInLoss):
    """Subtracts where it should add."""

    def token_loss(self, logprobs: Tensor, reference_logprobs: Tensor, log_ratio: Tensor) -> Tensor:
        return -super().token_loss(logprobs, reference_logprobs, log_ratio)


@caught_by("kl")
class FleesTheReference(GRPO):
    """Is paid for being far away."""

    def __init__(self, *args: Any, kl: KLInLoss | None = None, **kwargs: Any) -> None:
        super().__init__(*args, kl=kl or Repulsion(), **kwargs)


@caught_by("options")
class IgnoresTheRatio(REINFORCE):
    """Plain REINFORCE, whatever the policy has become since."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        return -batch.advantages * logprobs


@caught_by("options")
class SwallowsOptions(GRPO):
    """Takes every argument and hands on a few."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        known = {"learning_rate", "schedule", "seed", "kl_coefficient", "kl"}
        sizes = {name for name in kwargs if name.endswith("_per_rollout")}
        super().__init__(*args, **{name: kwargs[name] for name in kwargs.keys() & (known | sizes)})


@caught_by("options")
class UndeclaredSequenceRatio(GSPO):
    """One number per completion, without saying so: no token can be left out."""

    sequence_ratio = False


@caught_by("learns")
class Maximises(GRPO):
    """The gradient is right, and the optimizer climbs the loss."""

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.policy.parameters(), lr=0.3, maximize=True)


@caught_by("resume")
class ForgetsItsBaseline(REINFORCE):
    """A running mean that no checkpoint knows of."""

    def advantages(self, rewards: Tensor) -> Tensor:
        mean = self.__dict__.get("baseline", rewards.nanmean())
        self.baseline = 0.5 * mean + 0.5 * rewards.nanmean()
        return (rewards - mean).nan_to_num(0.0)
