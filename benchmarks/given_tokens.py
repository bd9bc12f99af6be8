"""Time and memory of an update in which half of the completion tokens were given: scored or only read.

``python benchmarks/given_tokens.py [read|scored]``. Compare the processor seconds and the peaks of two processes.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from rlframework import CausalLMPolicy
from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.testing import letter_tokenizer

GROUPS, GROUP, PROMPT, TOKENS, TURN, VOCABULARY = 1, 4, 32, 64, 8, 16_000


def policy() -> CausalLMPolicy:
    """Return a model whose head is as much work as its layers, as in small models of large vocabularies."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "head_dim": 32}
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}
    return CausalLMPolicy(Qwen3ForCausalLM(Qwen3Config(vocab_size=VOCABULARY, **sizes, **heads)), letter_tokenizer())


def rollout() -> Rollout:
    """Return groups of episodes whose turns of 8 tokens are the policy's and an environment's, by turns."""
    generator = torch.Generator().manual_seed(0)

    def draw(count: int) -> list[int]:
        return torch.randint(3, VOCABULARY, (count,), generator=generator).tolist()

    rows = []
    for index in range(GROUPS):
        prompt = Prompt(draw(PROMPT), "", index=index)
        rows += [Completion(prompt, draw(TOKENS), "", "stop") for _ in range(GROUP)]
    found = Rollout.of(Completions(rows, GROUP), pad_id=0)
    return replace(found, loss_mask=found.completion_mask & (torch.arange(TOKENS) // TURN % 2 == 0))


def main(given: str) -> None:
    """Print the processor seconds of a second update, the peak of memory, and the norm of the gradient."""
    torch.set_num_threads(1)
    learner, batch = policy(), rollout()
    scored = replace(batch, loss_mask=batch.completion_mask) if given == "scored" else batch
    seconds = []
    for _ in range(2):
        learner.zero_grad()
        started = time.process_time()
        found = learner.logprobs(scored).logprobs.masked_fill(~batch.loss_mask, 0.0)
        (found.sum() / batch.loss_mask.sum()).backward()
        seconds.append(time.process_time() - started)
    norm = torch.stack([p.grad.double().norm() for p in learner.parameters() if p.grad is not None]).norm()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{given}: {seconds[-1]:.2f} s of a processor, peak {peak:,.0f} MiB, gradient {norm:.9f}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "read")
