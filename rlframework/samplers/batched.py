"""In-process sampling: one batch, a key-value cache, and a random stream for each row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.functional.sampling import inverse_cdf_sample, truncated
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.conversation import Conversation
from rlframework.samplers.read_again import ReadAgain


class BatchedSampler(GroupSampler):
    """Decodes all rows together in the training process, with the policy's present weights.

    Every row draws from its own random stream, keyed by (seed, step, prompt, row), so the completions of a prompt do
    not depend on which prompts share its batch, on their order, or on the number of processes (as far as the logits
    do not: a batch of another shape rounds differently, which bfloat16 can show).

    Example:
        >>> from rlframework.testing import tiny_policy, letter_prompts
        >>> policy, prompts = tiny_policy(), letter_prompts(3)
        >>> sampler = BatchedSampler(group_size=2, max_tokens=5, seed=1)
        >>> together = sampler.sample(policy, prompts, step=4)
        >>> alone = sampler.sample(policy, prompts[2:], step=4)
        >>> [row.ids for row in together][4:] == [row.ids for row in alone]
        True
    """

    samples_policy_itself = True

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Sample ``group_size`` completions of at most ``max_tokens`` for each prompt.

        Args:
            policy: The policy to sample from, with the weights it has now.
            prompts: ``N`` prompts, in the order that the result keeps.
            step: Number of the rollout, a part of the seed.

        Raises:
            RuntimeError: The policy's logits are not numbers.
            ValueError: A prompt and the token budget together exceed what the model can read, or a prompt is empty.
        """
        conversation = self._begin(policy, prompts, step, frozenset(), turns=False)
        rows = [prompt for prompt in prompts for _ in range(self.group_size)]
        replies = conversation.reply(dict.fromkeys(range(len(rows)), self.max_tokens), {})
        completions = []
        for row, (ids, logprobs, reason) in sorted(replies.items()):
            text = policy.decode(ids[:-1] if reason == "stop" else ids)
            completions.append(Completion(rows[row], ids, text, reason, logprobs))
        return Completions(completions, self.group_size)

    def converse(
        self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0, stops: frozenset[int] = frozenset()
    ) -> Conversation:
        """Begin a conversation, as `GroupSampler.converse`, that any policy can go on with.

        Raises:
            ValueError: A prompt and the token budget together exceed what the model can read, or a prompt is empty.
        """
        return self._begin(policy, prompts, step, stops, turns=True)

    def _begin(
        self, policy: Policy, prompts: Sequence[Prompt], step: int, stops: frozenset[int], turns: bool
    ) -> Conversation:
        """Begin a conversation, of one turn alone where ``turns`` is false; override it to sample in another way."""
        self._check_room(policy, prompts)
        rows = [prompt for prompt in prompts for _ in range(self.group_size)]
        uniforms = self._uniforms_on(policy.device, prompts, step)
        return ReadAgain(policy, rows, uniforms, self.draw, policy.eos_ids | stops, self.progress)

    def draw(self, logits: Tensor, uniforms: Tensor, rows: Tensor, position: int | Tensor) -> tuple[Tensor, Tensor]:
        """Draw one token for each row that is in the batch; override it to steer what is sampled.

        Args:
            logits: ``(B', V)``.
            uniforms: ``(B',)`` the rows' own random numbers.
            rows: ``(B',)`` which rows these are, of ``N * G``.
            position: Of the token in its completion. In an episode its place in its turn, ``(B',)`` int64 where rows
                are at different places.

        Returns:
            ``(B',)`` tokens and ``(B',)`` log-probabilities under the distribution that they were drawn from.
        """
        if self.temperature == 0 or not self.truncates:
            return inverse_cdf_sample(logits, uniforms, self.temperature)
        return inverse_cdf_sample(
            truncated(logits.float() / self.temperature, self.top_k, self.top_p, self.min_p), uniforms
        )

    def _uniforms_on(self, device: torch.device, prompts: Sequence[Prompt], step: int) -> Tensor:
        """Return ``(B, max_tokens)`` numbers; a row's are a function of (seed, step, prompt, row)."""
        keys = [(self.seed, step, prompt.index, row) for prompt in prompts for row in range(self.group_size)]
        numbers = torch.from_numpy(np.stack([np.random.default_rng(key).random(self.max_tokens) for key in keys]))
        # Apple's GPUs have no float64.
        return numbers.to(torch.float32 if device.type == "mps" else torch.float64).to(device)
