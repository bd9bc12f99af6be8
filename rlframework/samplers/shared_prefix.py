"""In-process sampling that reads each prompt once and lets go of completions that are done."""

from __future__ import annotations

from collections.abc import Sequence

from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers.batched import BatchedSampler
from rlframework.samplers.cached_conversation import CachedConversation
from rlframework.samplers.conversation import Conversation


class SharedPrefixSampler(BatchedSampler):
    """Samples what `BatchedSampler` samples, faster: the same rows draw the same numbers.

    A prompt is read once for its whole group. The policy decides whether its keys and values are then copied to the
    group's rows or kept once (`Policy.branch`); rows that have ended leave the batch. In episodes the policy keeps the
    keys and values of the rows from turn to turn, if it can (`CachedConversation`).

    Example:
        >>> from rlframework.testing import tiny_policy, letter_prompts
        >>> policy, prompts = tiny_policy(), letter_prompts(3)
        >>> fast, slow = (kind(group_size=4, max_tokens=8) for kind in (SharedPrefixSampler, BatchedSampler))
        >>> [row.ids for row in fast.sample(policy, prompts)] == [row.ids for row in slow.sample(policy, prompts)]
        True
    """

    def _begin(
        self, policy: Policy, prompts: Sequence[Prompt], step: int, stops: frozenset[int], turns: bool
    ) -> Conversation:
        self._check_room(policy, prompts)
        uniforms = self._uniforms_on(policy.device, prompts, step)
        return CachedConversation(
            policy, prompts, self.group_size, uniforms, self.draw, policy.eos_ids | stops, turns, self.progress
        )
