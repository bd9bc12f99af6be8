"""Signs in rollouts that nothing, or noise, is learned: group sizes, log-probabilities, groups without spread."""

from __future__ import annotations

from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from rlframework.completions import Completions
from rlframework.functional.advantages import group_spread
from rlframework.rewards.base import Scores
from rlframework.samplers.base import GroupSampler

# Rollouts in a row that teach nothing before it is said.
_PATIENCE = 3
# Effective sample size, as a share, below which it is said that rollouts are too stale.
_SMALLEST_SAMPLE = 0.3
# What rounding may make of the logarithm of 1.
_ROUNDING = 1e-2


class RolloutWatch:
    """Checks each rollout of a run for faults, before it is learned from."""

    def __init__(self) -> None:
        self._told = self._told_stale = False
        self._without_spread = 0

    def completions(self, sampler: GroupSampler, completions: Completions, prompts: int) -> None:
        """Check completions: size and number of groups, token budget, log-probabilities.

        Args:
            sampler: The sampler that made them.
            completions: What it returned.
            prompts: How many it was handed on this rank.

        Raises:
            TypeError: The sampler returned something else than `Completions`.
            ValueError: Groups of another size than the sampler's, or another number of them than it states: advantages
                and batch sizes would be of another run, and ranks with unequal numbers would wait for each other. More
                tokens than its budget; log-probabilities of some rows only, above 0, or NaN in all of a row.
        """
        kind = type(sampler).__name__
        if not isinstance(completions, Completions):
            raise TypeError(f"{kind} returned a {type(completions).__name__}; return Completions(rows, group_size)")
        if completions.group_size != sampler.group_size:
            raise ValueError(
                f"{kind} has group_size={sampler.group_size} and returned groups of {completions.group_size}; return "
                "as many completions of each prompt as group_size says, or construct it with the size that it returns"
            )
        if completions.num_groups != (stated := sampler.groups_from(prompts)):
            raise ValueError(
                f"{kind} returned {completions.num_groups} groups for {prompts} prompts, and states {stated} "
                "(groups_from): every rank and every minibatch needs as many. Fill up with other groups, as "
                "DynamicSampling does, or override groups_from if it always returns as many"
            )
        longest = max((len(row.ids) for row in completions), default=0)
        if longest > sampler.max_tokens:
            raise ValueError(
                f"{kind} has max_tokens={sampler.max_tokens} and returned a completion of {longest} tokens; cut it, "
                "and say stop_reason='length'"
            )
        said = (value for row in completions for value, own in zip(row.logprobs, row.sampled, strict=False) if own)
        largest = max((value for value in said if value == value), default=0.0)
        if largest > _ROUNDING:
            raise ValueError(
                f"{kind} returned a log-probability of {largest:.3g}, and none is above 0; return the logarithm of the "
                "probability with which each token was drawn"
            )
        written = [row for row in completions if row.ids]
        unknown = sum(len(row.logprobs) != len(row.ids) for row in written)
        if 0 < unknown < len(written):
            raise ValueError(
                f"{kind} gave log-probabilities for {len(written) - unknown} of {len(written)} completions; "
                "return one for each token of every completion, or none at all"
            )
        if unknown and not sampler.samples_policy_itself and not self._told:
            self._told = True
            rank_zero_warn(
                f"{kind} gave no log-probabilities for {unknown} of {len(completions)} completions, and does not state "
                "that it samples the policy itself: they are taken for the policy's own, and nothing can tell whether "
                "they are. Return them in Completion.logprobs (of each token, as it was sampled), so that the gap is "
                "logged as train/sampler_gap and sampler_correction=TokenTruncation() can make up for it"
            )

    def staleness(self, share: float, ahead: int) -> None:
        """Warn once if rollouts ahead are so far from the policy that few of their tokens count.

        Args:
            share: Effective sample size, as a share of the tokens (`effective_sample_share`).
            ahead: The run's ``rollouts_ahead``.
        """
        if share < _SMALLEST_SAMPLE and not self._told_stale:
            self._told_stale = True
            rank_zero_warn(
                f"train/ess is {share:.2g}: with rollouts_ahead={ahead} the policy has moved so far from the weights "
                "that sampled that few tokens outweigh the rest. Lower the learning rate or rollouts_ahead"
            )

    def scores(self, scores: Scores, completions: Completions) -> None:
        """Check scores, and warn if several rollouts in a row have taught nothing: no group with a spread.

        Args:
            scores: Of a rollout.
            completions: What was scored.
        """
        flat = bool((group_spread(scores.total).nan_to_num(0.0) == 0).all())
        self._without_spread = self._without_spread + 1 if flat else 0
        if self._without_spread == _PATIENCE:
            paid = scores.total[~scores.total.isnan()]
            said = f"between {paid.min():.3g} and {paid.max():.3g}" if len(paid) else "nothing, as it abstained"
            cut = sum(row.truncated for row in completions)
            limits = (
                f"{cut} of its {len(completions)} completions were cut by a limit: raise max_tokens, or max_turns and "
                "max_turn_tokens of episodes? "
                if cut
                else ""
            )
            rank_zero_warn(
                f"In {_PATIENCE} rollouts in a row no group had completions with different rewards (the last paid "
                f"{said}): there is nothing to learn from. {limits}Look at some completions (RolloutWriter) and "
                "their rewards: does the prompt's template fit the model, does the reward read its answers "
                "(rlframework reward-report), is the task too hard or too easy (rlframework probe), is the temperature "
                "too low?"
            )
