"""A policy whose every gradient can be written down: a table of logits, one row for each previous token."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from rlframework.functional.logprobs import TokenLogProbs, token_logprobs
from rlframework.policies.base import Policy
from rlframework.rollout import Rollout
from rlframework.testing.tiny import letter_tokenizer

LETTERS = "abcde"


class TablePolicy(Policy):
    """Bigrams: the logits of a token are the row of ``table`` that the token before it names.

    The first token follows the last one of the prompt. ``table`` may be of any precision; in float64 the loss is as
    precise as finite differences need it. Padding is known by the masks alone, and the pad token may be sampled.

    Args:
        table: ``(V, V)`` logits, row by previous token; by default all 0. ``V`` is 3 more than there are letters.
        letters: The alphabet of the tokenizer.

    Raises:
        ValueError: The table has another shape.

    Example:
        >>> policy = TablePolicy(letters="ab")
        >>> policy.table.shape, policy.tokenizer("ab")["input_ids"]
        (torch.Size([5, 5]), [3, 4])
    """

    def __init__(self, table: Tensor | None = None, letters: str = LETTERS) -> None:
        tokenizer = _tokenizer(letters)
        super().__init__(tokenizer)
        V = len(tokenizer)
        table = torch.zeros(V, V) if table is None else table
        if table.shape != (V, V):
            raise ValueError(f"{len(letters)} letters make a vocabulary of {V}; got a table of {tuple(table.shape)}")
        self.letters = letters
        self.table = torch.nn.Parameter(table.detach().clone())

    def logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        """Look up the row of the token before, ``(B, T)``."""
        previous = torch.cat([batch.prompt_ids[:, -1:], batch.completion_ids[:, :-1]], dim=1)  # (B, T)
        logits = self.table[previous]  # (B, T, V)
        return token_logprobs(logits, batch.completion_ids, batch.temperature, entropy_gradient=entropy_gradient)

    def next_logits(self, ids: Tensor, mask: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        """Look up the row of the last token, ``(B, V)``; there is nothing to cache."""
        return self.table[ids[:, -1]], None

    def reference(self) -> Policy:
        """Return a frozen table."""
        return TablePolicy(self.table, self.letters).requires_grad_(False).eval()


@lru_cache
def _tokenizer(letters: str) -> PreTrainedTokenizerFast:
    """One for all tables: making a tokenizer takes longer than a step on the table."""
    return letter_tokenizer(letters)
