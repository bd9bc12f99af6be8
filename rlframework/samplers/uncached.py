"""In-process sampling without padding and cache: slow, and right for every model that scores a row by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers.batched import BatchedSampler
from rlframework.utilities.distributed import is_sharded


class UncachedSampler(BatchedSampler):
    """Samples what `BatchedSampler` samples, and reads whole rows again for every token.

    The rows of one prompt are a batch, so nothing is padded. It takes time that grows with the square of the length:
    for models that other samplers decode otherwise than they score, and for finding out whether they do.

    Example:
        >>> from rlframework.testing import tiny_policy, letter_prompts
        >>> policy, prompts = tiny_policy(), letter_prompts(3)
        >>> slow, plain = (kind(group_size=2, max_tokens=5) for kind in (UncachedSampler, BatchedSampler))
        >>> [row.ids for row in slow.sample(policy, prompts)] == [row.ids for row in plain.sample(policy, prompts)]
        True
    """

    samples_policy_itself = True

    @torch.no_grad()
    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Sample ``group_size`` completions of at most ``max_tokens`` for each prompt.

        Args:
            policy: The policy to sample from, with the weights it has now.
            prompts: ``N`` prompts, in the order that the result keeps.
            step: Number of the rollout, a part of the seed.

        Raises:
            RuntimeError: The policy's logits are not numbers, or its weights are sharded.
            ValueError: A prompt and the token budget together exceed what the model can read, or a prompt is empty.
        """
        self._check_room(policy, prompts)
        if is_sharded(policy):
            raise RuntimeError(
                f"{type(self).__name__} calls the policy as often as its prompts need, and ranks that share sharded "
                "weights would wait for each other; use SharedPrefixSampler"
            )
        rows: list[Completion] = []
        for prompt in prompts:
            rows += self._group(policy, prompt, step)
        return Completions(rows, self.group_size)

    def _group(self, policy: Policy, prompt: Prompt, step: int) -> list[Completion]:
        device = policy.device
        uniforms = self._uniforms_on(device, [prompt], step)
        stops = torch.tensor(sorted(policy.eos_ids), device=device)
        everyone = torch.arange(self.group_size, device=device)
        ids = torch.tensor([prompt.ids], device=device).repeat(self.group_size, 1)
        logprobs: list[Tensor] = []
        running = torch.ones_like(everyone, dtype=torch.bool)
        for position in range(self.max_tokens):
            logits, _ = policy.next_logits(ids, torch.ones_like(ids, dtype=torch.bool))
            if logits.isnan().any():
                raise RuntimeError("the policy's logits are NaN; its weights have diverged")
            chosen, scores = self.draw(logits, uniforms[:, position], everyone, position)
            ids = torch.cat([ids, chosen.unsqueeze(1)], dim=1)
            logprobs.append(scores)
            running &= ~torch.isin(chosen, stops)
            if not running.any():
                break
        tokens = ids[:, len(prompt.ids) :]
        return self._completions(policy, [prompt] * self.group_size, tokens, torch.stack(logprobs, 1)).rows
