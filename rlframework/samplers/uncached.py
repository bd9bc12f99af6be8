"""In-process sampling without padding and cache: slow, and right for every model that scores a row by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor

from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers.batched import BatchedSampler
from rlframework.samplers.conversation import Conversation, Reply
from rlframework.samplers.read_again import ReadAgain
from rlframework.utilities.distributed import is_sharded


class UncachedSampler(BatchedSampler):
    """Samples what `BatchedSampler` samples, and reads whole rows again for every token.

    Rows of one prompt and one length are a batch, so nothing is padded. It takes time that grows with the square of the
    length: for models that other samplers decode otherwise than they score, and for finding out whether they do.

    Raises:
        RuntimeError: When it samples, that the weights are sharded.

    Example:
        >>> from rlframework.testing import tiny_policy, letter_prompts
        >>> policy, prompts = tiny_policy(), letter_prompts(3)
        >>> slow, plain = (kind(group_size=2, max_tokens=5) for kind in (UncachedSampler, BatchedSampler))
        >>> [row.ids for row in slow.sample(policy, prompts)] == [row.ids for row in plain.sample(policy, prompts)]
        True
    """

    def _begin(
        self, policy: Policy, prompts: Sequence[Prompt], step: int, stops: frozenset[int], turns: bool
    ) -> Conversation:
        self._check_room(policy, prompts)
        if is_sharded(policy):
            raise RuntimeError(
                f"{type(self).__name__} calls the policy as often as its prompts need, and ranks that share sharded "
                "weights would wait for each other; use SharedPrefixSampler"
            )
        rows = [prompt for prompt in prompts for _ in range(self.group_size)]
        uniforms = self._uniforms_on(policy.device, prompts, step)
        return ReadWhole(policy, rows, uniforms, self.draw, policy.eos_ids | stops, self.progress)


class ReadWhole(ReadAgain):
    """Conversation that reads whole rows for every token, without padding and cache."""

    def _turn(self, budgets: Mapping[int, int], patience: float) -> dict[int, Reply]:
        def prompt_and_length(row: int) -> tuple[int, int]:
            return self._rows[row].index, len(self._seen[row])

        alike = groupby(sorted(budgets, key=prompt_and_length), key=prompt_and_length)
        return {row: reply for _, rows in alike for row, reply in self._decode(list(rows), budgets).items()}

    def _decode(self, rows: list[int], budgets: Mapping[int, int]) -> dict[int, Reply]:
        """Sample the turns of rows of one length."""
        here = torch.tensor(rows, device=self._uniforms.device)
        left = torch.tensor([budgets[row] for row in rows], device=here.device)
        stops = torch.tensor(sorted(self._stops), device=here.device)
        ids = torch.tensor([self._seen[row] for row in rows], device=here.device)
        logprobs: list[Tensor] = []
        running = left > 0
        while running.any():
            logits, _ = self._policy.next_logits(ids, torch.ones_like(ids, dtype=torch.bool))
            if logits.isnan().any():
                raise RuntimeError("the policy's logits are NaN; its weights have diverged")
            chosen, scores = self._drawn_for(here, logits, len(logprobs))
            ids = torch.cat([ids, chosen.unsqueeze(1)], dim=1)
            logprobs.append(scores)
            running &= ~torch.isin(chosen, stops) & (len(logprobs) < left)
        drawn = ids[:, ids.shape[1] - len(logprobs) :]
        return self._replies(rows, budgets, drawn.tolist(), torch.stack(logprobs, 1).tolist())
