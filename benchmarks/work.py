"""The work that both sides do: a model, prompts, how long every completion is, and what it earns."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

PROMPTS, LARGEST_GROUP, EOS, PAD = 4, 16, 1, 0
BODIES: dict[str, dict[str, Any]] = {
    "tiny": {"vocab_size": 1024, "hidden_size": 128, "intermediate_size": 384, "head_dim": 32},
    "wide": {"vocab_size": 151_936, "hidden_size": 256, "intermediate_size": 768, "head_dim": 64},
}


@dataclass(frozen=True)
class Shape:
    """What a step is made of; a rollout is ``PROMPTS`` prompts of equal length, which spares TRL its left padding.

    Args:
        body: ``"tiny"`` (0.8 million weights, 1024 words) or ``"wide"`` (42 million, 151,936 words).
        prompt: Tokens of a prompt.
        group: Completions of a prompt.
        completion: Tokens of a completion on average; the shortest have a fifth of it, the longest almost three times.
    """

    body: str
    prompt: int
    group: int = 8
    completion: int = 44

    def __str__(self) -> str:
        return f"{self.body} P {self.prompt}"


@dataclass(frozen=True)
class Work:
    """A shape made real, for one run of either side.

    Args:
        shape: Its shape.
        folder: Where the model is saved.
        rows: Prompts, enough that no step sees one again.
        ends: ``(B,)``, after how many tokens each row of a rollout ends: the same in every step and on both sides.
        steps: Optimizer steps, the first of which does not count.
    """

    shape: Shape
    folder: Path
    rows: list[dict[str, str]]
    ends: torch.Tensor
    steps: int

    @property
    def longest(self) -> int:
        return int(self.ends.max())


@contextmanager
def prepared(shape: Shape, steps: int) -> Iterator[Work]:
    """Save a fresh model for as long as the context lasts."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    rng = np.random.default_rng(1)
    rows = [{"prompt": "".join(rng.choice(letters, shape.prompt))} for _ in range(PROMPTS * steps)]
    with tempfile.TemporaryDirectory() as folder:
        new_model(shape.body).save_pretrained(folder)
        yield Work(shape, Path(folder), rows, ends_of(shape), steps)


def new_model(body: str) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    config = Qwen3Config(
        **BODIES[body],
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        eos_token_id=EOS,
        pad_token_id=PAD,
        bos_token_id=None,
    )
    return Qwen3ForCausalLM(config)


def ends_of(shape: Shape) -> torch.Tensor:
    """Return the lengths, spread as those of a policy are: many short ones, few long ones, no two groups alike."""
    draws = 0.2 + np.random.default_rng(0).exponential(1, (PROMPTS, LARGEST_GROUP)).clip(max=2.8)[:, : shape.group]
    return torch.tensor((shape.completion * draws / draws.mean()).round().clip(min=2).astype(int).ravel())


def force(logits: torch.Tensor, ends: torch.Tensor, position: int) -> torch.Tensor:
    """Leave only the end token at a row's last position, and everything but it before; in place, to cost nothing."""
    logits[:, EOS] = torch.where(ends == position + 1, 1e4, -1e4).to(logits)
    return logits


def reward_of(ids: Sized) -> float:
    """Return the length in hundreds: the same on both sides, and different within every group, so no row is idle."""
    return len(ids) / 100
