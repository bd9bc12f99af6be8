"""Conversation that reads prompt and turns again before each turn: slow, and right for every policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rollout import left_pad
from rlframework.samplers.conversation import Conversation, Reply
from rlframework.utilities.distributed import any_rank, is_sharded

Draw = Callable[[Tensor, Tensor, Tensor, int | Tensor], tuple[Tensor, Tensor]]


class ReadAgain(Conversation):
    """Samples turns with nothing kept between them; faster conversations are checked against it.

    Args:
        policy: The policy to sample from.
        rows: The prompt of each of ``B`` rows.
        uniforms: ``(B, max_tokens)`` each row's random numbers, one for a sampled token.
        draw: Draws a token for each row, as `BatchedSampler.draw`.
        stops: Ids that end a turn.
        progress: Called after each token with (tokens done in this turn, rows unfinished).
    """

    def __init__(
        self,
        policy: Policy,
        rows: Sequence[Prompt],
        uniforms: Tensor,
        draw: Draw,
        stops: frozenset[int],
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._policy = policy
        self._sharded = is_sharded(policy)
        self._rows = rows
        self._seen = [list(prompt.ids) for prompt in rows]
        self._uniforms = uniforms
        self._drawn = torch.zeros(len(rows), dtype=torch.int64, device=uniforms.device)
        self._draw = draw
        self._stops = stops
        self._progress = progress

    def reply(self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]]) -> dict[int, Reply]:
        """Read rows again and sample their next turns together.

        Args:
            budgets: The most tokens of this turn, by row.
            given: Ids that follow a row's last turn and are read before this one, by row.

        Raises:
            RuntimeError: The policy's logits are not numbers.
        """
        return self._went_on(budgets, given, math.inf)

    @torch.no_grad()
    def _went_on(
        self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]], patience: float
    ) -> dict[int, Reply]:
        """Sample on while rows that have ended a turn wait for so many tokens at most; return what all have said."""
        for row, ids in given.items():
            self._seen[row] += ids
        replies = self._turn(budgets, patience)
        for row, reply in replies.items():
            self._seen[row] += reply.ids
            self._drawn[row] += len(reply.ids)
        return replies

    def _turn(self, budgets: Mapping[int, int], patience: float) -> dict[int, Reply]:
        """Sample a turn of each row behind what it has seen; override it to read that in another way.

        Here all rows end it: the fewer turns, the less is read again.
        """
        policy, device = self._policy, self._uniforms.device
        # A rank without a row reads along with one that it does not count.
        rows = list(budgets) or [0]
        here = torch.tensor(rows, device=device)
        left = torch.tensor([budgets.get(row, 0) for row in rows], device=device)
        stops = torch.tensor(sorted(self._stops), device=device)
        ids, mask = left_pad([self._seen[row] for row in rows], policy.pad_id, device)  # (B', S)

        tokens: list[Tensor] = []
        logprobs: list[Tensor] = []
        running, cache = left > 0, None
        while True:
            logits, cache = policy.next_logits(ids, mask, cache)
            chosen, scores = self._drawn_for(here, logits, len(tokens))
            tokens.append(chosen)
            logprobs.append(scores)
            running &= ~torch.isin(chosen, stops) & (len(tokens) < left)
            unfinished = int(running.sum())
            if self._progress is not None:
                self._progress(len(tokens), unfinished)
            if not any_rank(unfinished > 0, policy, self._sharded):
                break
            ids = chosen.unsqueeze(1)
            mask = torch.cat([mask, torch.ones_like(ids, dtype=torch.bool)], dim=1)
        if logits.isnan().any():
            raise RuntimeError("the policy's logits are NaN; its weights have diverged")
        sampled = torch.stack(tokens, 1).tolist(), torch.stack(logprobs, 1).tolist()
        return self._replies(rows, budgets, *sampled)

    def _drawn_for(self, here: Tensor, logits: Tensor, count: int, begun: Tensor | int = 0) -> tuple[Tensor, Tensor]:
        """Draw a token for each row of the batch, with the next number of its own stream.

        Args:
            here: ``(B',)`` int64, which rows these are.
            logits: ``(B', V)``.
            count: Of tokens that were drawn in this batch.
            begun: Of tokens of the turn before them, of all rows or ``(B',)`` of each.
        """
        # A row that has ended may draw on for nothing.
        number = (self._drawn[here] + count).clamp(max=self._uniforms.shape[1] - 1)
        return self._draw(logits, self._uniforms[here, number], here, begun + count)

    def _replies(
        self,
        rows: Sequence[int],
        budgets: Mapping[int, int],
        drawn: Sequence[Sequence[int]],
        logprobs: Sequence[Sequence[float]],
    ) -> dict[int, Reply]:
        """Return what rows said of the tokens that were drawn for them: up to the first stop token, or the budget."""
        replies = {}
        for row, ids, scores in zip(rows, drawn, logprobs, strict=True):
            if row in budgets:
                within = list(ids[: budgets[row]])
                end = next((place + 1 for place, token in enumerate(within) if token in self._stops), None)
                kept = within[:end]
                replies[row] = Reply(kept, list(scores[: len(kept)]), "length" if end is None else "stop")
        return replies
