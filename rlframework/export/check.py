"""Reading back what was exported: does it give the policy's own answers the policy's probabilities?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch
from peft import PeftModel
from torch import Tensor

from rlframework.policies.adapter_state import using_adapter
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.policies.loading import texts_with_tokens
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.samplers.batched import BatchedSampler

TEXTS = (
    "17 + 25 =",
    "The capital of France is",
    "Question: Anna has 3 apples and buys 4 more. How many has she?\nAnswer:",
    "def add(a, b):\n    return",
    "Once upon a time",
    "1, 2, 3, 5, 8,",
    "If x + 2 = 7, then x =",
    "abc abc abc",
)
TOKENS = 32
# Mean difference of log-probabilities, in nats, of the same weights computed in another order.
SAME = 1e-4
# What rounding to llama.cpp's formats explains. SmolLM2-135M: f16 0.0016, bf16 0.012, q8_0 0.037; of faults in one of
# its 30 layers the smallest was two heads that changed places, 0.08, and the adapter left out was 0.27.
ALLOWED = {"float32": SAME, "f32": SAME, "f16": 0.01, "bf16": 0.05, "q8_0": 0.07}
# Largest share of what the adapter changed that rounding may take away.
LARGEST_SHARE = 0.2


class ExportError(RuntimeError):
    """Raised when an exported model, read back, is not the policy; nothing of it is left."""


@dataclass(frozen=True)
class Agreement:
    """Log-probabilities of an exported model beside the policy's, over tokens that the policy sampled.

    Args:
        tokens: How many.
        mean: Mean absolute difference of their log-probabilities.
        largest: The largest.
        learned: Mean absolute difference that the adapter makes; None without an adapter.
    """

    tokens: int
    mean: float
    largest: float
    learned: float | None

    def __str__(self) -> str:
        changed = "" if self.learned is None else f"; the adapter changed them by {self.learned:.2g}"
        return (
            f"log-probabilities of {self.tokens} tokens within {self.largest:.2g} of the policy's, mean {self.mean:.2g}"
            f"{changed}"
        )


class Yardstick:
    """Answers that a policy samples, and what it says of their tokens; in float32, so that rounding hides nothing.

    Args:
        policy: The policy, in float32 and eval mode.

    Example:
        >>> from rlframework.testing import tiny_policy
        >>> Yardstick(tiny_policy().eval()).hold(tiny_policy().eval(), "float32").largest < 1e-5
        True
    """

    def __init__(self, policy: CausalLMPolicy) -> None:
        # A tokenizer of few words reads some of the texts as nothing, and an empty prompt asks nothing.
        texts = list(islice(texts_with_tokens(policy.tokenizer, TEXTS), len(TEXTS)))
        self._tokens = {text: policy.tokenizer(text)["input_ids"] for text in texts}
        room = policy.max_positions or 4 * TOKENS
        budget = min(TOKENS, room // 2)
        prompts = [Prompt(self._tokens[text][: room - budget], text, {}, index) for index, text in enumerate(texts)]
        rows = BatchedSampler(group_size=2, max_tokens=budget).sample(policy, prompts)
        self._batch = Rollout.of(rows, pad_id=policy.pad_id)
        self._expected = self._score(policy)
        self._learned = None
        if policy.frozen_base:
            with using_adapter(policy.model, None):
                self._learned = (self._score(policy) - self._expected).abs().mean().item()

    def hold(self, exported: CausalLMPolicy, dtype: str, written: CausalLMPolicy | None = None) -> Agreement:
        """Return how far an exported policy is.

        Args:
            exported: As it was read back, in float32.
            dtype: In which its weights were written.
            written: What was written, with its weights already rounded to that. What is read back has to be the same,
                and how far rounding goes is then the model's own matter; without, rounding is allowed what it usually
                takes.

        Raises:
            ExportError: Farther than that; or rounding took away too much of what was learned; or the tokenizer is
                another one.
        """
        whole = not isinstance(exported.model, PeftModel)
        form = ("merged" if dtype.startswith(("float", "bfloat")) else "gguf") if whole else "adapter"
        for text, ids in self._tokens.items():
            if exported.tokenizer(text)["input_ids"] != ids:
                raise ExportError(f"{form}: the exported tokenizer reads {text!r} otherwise than the policy's")
        scores = self._score(exported.eval())
        if written is not None and not (apart := (scores - self._score(written)).abs().mean().item()) <= SAME:
            raise ExportError(
                f"{form}: what is read back differs from what was written: log-probabilities by a mean of {apart:.2g}"
            )
        difference = (scores - self._expected).abs()
        found = Agreement(len(difference), difference.mean().item(), difference.max().item(), self._learned)
        if written is None and not found.mean <= ALLOWED[dtype]:  # NaN is no agreement either.
            raise ExportError(f"{form}: {found}: more than the {ALLOWED[dtype]:g} that rounding to {dtype} explains")
        if self._learned and found.mean > max(LARGEST_SHARE * self._learned, SAME):
            raise ExportError(
                f"{form}: {found}: rounding to {dtype} takes away {found.mean / self._learned:.0%} of what was learned "
                f"(limit {LARGEST_SHARE:.0%}); write float32 (--dtype float32, --gguf-type f32), or the adapter alone"
            )
        return found

    @torch.no_grad()
    def _score(self, policy: CausalLMPolicy) -> Tensor:
        """Return the log-probability of every sampled token, by the model's own forward pass."""
        return policy.padded_logprobs(self._batch).logprobs[self._batch.loss_mask]
