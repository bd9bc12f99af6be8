"""In-process sampling through transformers' ``generate``, with the random numbers of the other samplers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from rlframework.completions import Completion, Completions, StopReason
from rlframework.policies.base import Policy
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.policies.wrappers import unwrapped
from rlframework.prompt import Prompt
from rlframework.rollout import left_pad
from rlframework.samplers.batched import BatchedSampler
from rlframework.utilities.distributed import is_sharded


class GenerateSampler(BatchedSampler):
    """Samples what `BatchedSampler` samples, through the model's own ``generate``.

    A logits processor draws the tokens and leaves ``generate`` no choice but them, so nothing of transformers' own
    sampling takes part, nor do the generation settings that a checkpoint brings along (``top_k``, penalties, ...).
    Override `generate` to wrap or replace the call.

    Example:
        >>> from rlframework.testing import tiny_policy, letter_prompts
        >>> policy, prompts = tiny_policy(), letter_prompts(3)
        >>> generated, plain = (kind(group_size=2, max_tokens=8) for kind in (GenerateSampler, BatchedSampler))
        >>> [row.ids for row in generated.sample(policy, prompts)] == [row.ids for row in plain.sample(policy, prompts)]
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
            RuntimeError: The policy's logits are not numbers.
            TypeError: The policy is not a model of transformers.
            ValueError: A prompt and the token budget together exceed what the model can read, a prompt is empty, or
                the weights are sharded.
        """
        self._check_room(policy, prompts)
        if not isinstance(policy, CausalLMPolicy):
            raise TypeError(
                f"{type(self).__name__} calls the generate method of a CausalLMPolicy's model, and this is a "
                f"{type(policy).__name__}; BatchedSampler and SharedPrefixSampler sample from any policy"
            )
        if is_sharded(policy):
            raise ValueError(
                f"{type(self).__name__} would leave ranks waiting for each other where weights are sharded; use "
                "SharedPrefixSampler"
            )
        rows = [prompt for prompt in prompts for _ in range(self.group_size)]
        ids, mask = left_pad([prompt.ids for prompt in rows], policy.pad_id, policy.device)  # (B, P)
        processor = DrawProcessor(self, self._uniforms_on(policy.device, prompts, step), policy.eos_ids)
        self.generate(policy, ids, mask, processor)
        if processor.logits.isnan().any():
            raise RuntimeError("the policy's logits are NaN; its weights have diverged")
        tokens, logprobs = torch.stack(processor.tokens, 1), torch.stack(processor.logprobs, 1)  # (B, T)
        completions = []
        for prompt, drawn, scores in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            end = next((place for place, token in enumerate(drawn) if token in policy.eos_ids), None)
            kept = drawn if end is None else drawn[: end + 1]
            reason: StopReason = "length" if end is None else "stop"
            completions.append(Completion(prompt, kept, policy.decode(drawn[:end]), reason, scores[: len(kept)]))
        return Completions(completions, self.group_size)

    def generate(self, policy: CausalLMPolicy, ids: Tensor, mask: Tensor, processor: DrawProcessor) -> None:
        """Run the model until all rows have ended; the processor keeps what it drew.

        Args:
            policy: In eval mode.
            ids: ``(B, P)`` prompts, one for each row, left-padded.
            mask: ``(B, P)`` bool.
            processor: Draws the tokens.
        """
        settings = GenerationConfig(
            max_new_tokens=self.max_tokens,
            do_sample=False,
            eos_token_id=sorted(policy.eos_ids),
            pad_token_id=policy.pad_id,
        )
        model: Any = policy.model
        with _without_own_settings(model):
            model.generate(
                input_ids=ids,
                attention_mask=mask.long(),
                generation_config=settings,
                logits_processor=LogitsProcessorList([processor]),
            )


class DrawProcessor(LogitsProcessor):
    """Draws a token for every row at every step, and forbids all others.

    Args:
        sampler: The sampler, whose `draw` chooses the token.
        uniforms: ``(B, T)`` the rows' random numbers.
        stops: Ids that end a row; ids drawn after them are not looked at.

    Attributes:
        tokens: ``(B,)`` for each step so far.
        logprobs: ``(B,)`` for each step so far.
        logits: ``(B, V)`` of the last step.
    """

    logits: Tensor

    def __init__(self, sampler: BatchedSampler, uniforms: Tensor, stops: frozenset[int]) -> None:
        self.tokens: list[Tensor] = []
        self.logprobs: list[Tensor] = []
        self._sampler = sampler
        self._uniforms = uniforms
        self._everyone = torch.arange(len(uniforms), device=uniforms.device)
        self._running = torch.ones_like(self._everyone, dtype=torch.bool)
        self._stops = torch.tensor(sorted(stops), device=uniforms.device)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return logits that allow the drawn token alone, ``(B, V)``."""
        position = len(self.tokens)
        chosen, logprobs = self._sampler.draw(scores, self._uniforms[:, position], self._everyone, position)
        self.tokens.append(chosen)
        self.logprobs.append(logprobs)
        self.logits = scores
        self._running = self._running & ~torch.isin(chosen, self._stops)
        if self._sampler.progress is not None:
            self._sampler.progress(position + 1, int(self._running.sum()))
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen.unsqueeze(1), 0.0)


@contextmanager
def _without_own_settings(model: Any) -> Iterator[None]:
    """Hide the generation settings of a checkpoint: ``generate`` fills settings that a caller leaves open from them."""
    # PEFT keeps a reference of its own, and puts it into the model inside at every call.
    places = [model, unwrapped(model)]
    settings = [place.generation_config for place in places]
    for place in places:
        place.generation_config = GenerationConfig()
    try:
        yield
    finally:
        for place, own in zip(places, settings, strict=True):
            place.generation_config = own
