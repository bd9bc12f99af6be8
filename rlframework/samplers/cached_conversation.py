"""Conversation that keeps the key-value cache across turns: only what a row has not read yet is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rlframework.policies.base import Policy
from rlframework.policies.decoding.kept_rows import KeptRows
from rlframework.prompt import Prompt
from rlframework.rollout import left_pad
from rlframework.samplers.conversation import Reply
from rlframework.samplers.read_again import Draw, ReadAgain
from rlframework.utilities.distributed import any_rank


class CachedConversation(ReadAgain):
    """Samples what `ReadAgain` samples, faster: rows that wait keep their keys and values.

    The first turn reads each prompt once for its group. A row that ends its turn leaves the batch, and the policy keeps
    what it has read (`Policy.keep_rows`). The next turn reads the row's last token and what it was given. Where the
    policy cannot keep rows, each turn reads them whole, and rows that end still leave.

    Args:
        policy: The policy to sample from.
        prompts: ``N`` prompts.
        group_size: Rows of a prompt, ``G``; there are ``B = N * G``.
        uniforms: ``(B, max_tokens)`` each row's random numbers, one for a sampled token.
        draw: Draws a token for each row, as `BatchedSampler.draw`.
        stops: Ids that end a turn.
        turns: Whether there will be more than one turn; without, nothing is kept.
        progress: Called after each token with (tokens done in this turn, rows unfinished).
    """

    def __init__(
        self,
        policy: Policy,
        prompts: Sequence[Prompt],
        group_size: int,
        uniforms: Tensor,
        draw: Draw,
        stops: frozenset[int],
        turns: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        super().__init__(
            policy, [prompt for prompt in prompts for _ in range(group_size)], uniforms, draw, stops, progress
        )
        self._prompts = prompts
        self._group_size = group_size
        self._turns = turns
        self._begun = False
        self._kept: KeptRows | None = None
        # What rows have said that are in the middle of their turn.
        self._middle: dict[int, Reply] = {}

    def reply(self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]]) -> dict[int, Reply]:
        """Sample the next turn of some rows, as `ReadAgain.reply`."""
        return self._over(budgets, given, math.inf)

    def early_replies(self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]]) -> dict[int, Reply]:
        """Sample on until waiting has cost what going on together costs, as `Conversation.early_replies`.

        Rows that have ended their turn wait for others, but in the mean over all rows not for more tokens than the next
        reading is worth. What is long in one turn is short in another, and so the batch stays large.
        """
        # Who reads rows whole before each turn does best with few turns.
        reads_again = self._begun and self._kept is None
        return self._over(budgets, given, math.inf if reads_again else _PATIENCE)

    def _over(
        self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]], patience: float
    ) -> dict[int, Reply]:
        """Return the turns that are over, once all are or rows have waited for so many tokens each, in the mean."""
        self._middle = {row: said for row, said in self._middle.items() if row in budgets}
        left = {row: most - self._said(row) for row, most in budgets.items()}
        replies: dict[int, Reply] = {}
        for row, new in self._went_on(left, given, patience).items():
            before = self._middle.pop(row, _NOTHING)
            turn = Reply(before.ids + new.ids, before.logprobs + new.logprobs, new.reason)
            over = new.reason == "stop" or len(new.ids) == left[row]
            (replies if over else self._middle)[row] = turn
        return replies

    def _said(self, row: int) -> int:
        """Return how many tokens of its present turn a row has said."""
        return len(self._middle.get(row, _NOTHING).ids)

    def _turn(self, budgets: Mapping[int, int], patience: float) -> dict[int, Reply]:
        rows = sorted(budgets)
        state = self._read(rows, max(budgets.values(), default=1))
        replies = self._decode(rows, budgets, patience, *state) if rows else {}
        # A rank without rows calls the model as often as the others, which hold shards of its weights.
        while any_rank(False, self._policy, self._sharded):
            self._read_along()
        return replies

    def _read(self, rows: list[int], room: int) -> tuple[Tensor, Tensor, Any]:
        """Return ``(B', V)`` logits of the rows' next tokens, ``(B', S)`` mask and the cache."""
        policy, seen = self._policy, {row: self._seen[row] for row in rows}
        first, self._begun = not self._begun, True
        if first and all(len(ids) == len(self._rows[row].ids) for row, ids in seen.items()):
            return self._read_prompts(rows, room)
        if not rows:
            return self._read_along()
        if self._kept is not None:
            ids, mask, cache = self._kept.resume(seen, room)
            logits, cache = policy.next_logits(ids, mask, cache)
            return logits, mask, cache
        ids, mask = left_pad(list(seen.values()), policy.pad_id, policy.device)
        logits, cache = policy.prefill(ids, mask)
        return logits, mask, policy.branch(cache, mask, 1, room)

    def _read_prompts(self, rows: list[int], room: int) -> tuple[Tensor, Tensor, Any]:
        policy, size = self._policy, self._group_size
        ids, mask = left_pad([prompt.ids for prompt in self._prompts], policy.pad_id, policy.device)  # (N, P)
        logits, cache = policy.prefill(ids, mask)
        cache = policy.branch(cache, mask, size, room)
        if self._turns:
            self._kept = policy.keep_rows(cache, mask, size)
        here = torch.tensor(rows, dtype=torch.int64, device=policy.device)
        if 0 < len(rows) < len(self._seen):
            cache = policy.select_rows(cache, here, room)
        return logits[here // size], mask[here // size], cache

    def _read_along(self) -> tuple[Tensor, Tensor, Any]:
        ids = torch.full((1, 1), self._policy.pad_id, device=self._policy.device)
        mask = torch.ones_like(ids, dtype=torch.bool)
        logits, cache = self._policy.next_logits(ids, mask)
        return logits, mask, cache

    def _decode(
        self, rows: list[int], budgets: Mapping[int, int], patience: float, logits: Tensor, mask: Tensor, cache: Any
    ) -> dict[int, Reply]:
        policy, device = self._policy, self._uniforms.device
        most = max(budgets.values())
        stops = torch.tensor(sorted(self._stops), device=device)
        tokens = torch.full((len(self._seen), most), policy.pad_id, device=device)
        logprobs = torch.zeros(len(self._seen), most, device=device, dtype=torch.float32)
        # Which rows are in the batch; those that have ended leave it when they are enough to be worth the copy.
        here = torch.tensor(rows, device=device)
        left = torch.tensor([budgets[row] for row in rows], device=device)
        begun: Tensor | int = torch.tensor([self._said(row) for row in rows], device=device) if self._middle else 0
        said = torch.zeros_like(left)
        drawn = torch.zeros(len(self._seen), dtype=torch.int64, device=device)
        running = left > 0
        before, waited = mask.shape[1], 0
        for position in range(most):
            chosen, scores = self._drawn_for(here, logits, position, begun)
            tokens[here, position], logprobs[here, position] = chosen, scores
            said += running
            running &= ~torch.isin(chosen, stops) & (left > position + 1)
            unfinished = int(running.sum())
            if self._progress is not None:
                self._progress(position + 1, unfinished)
            waited += len(here) - unfinished
            if not unfinished or waited >= patience * len(rows):
                break
            any_rank(True, policy, self._sharded)
            # Who waits for a moment alone is not worth the copy.
            if patience == math.inf and unfinished <= len(here) * _WORTH_A_COPY:
                drawn[here] = said
                self._keep(cache, mask, (~running).nonzero().squeeze(1), here, before + said)
                kept = running.nonzero().squeeze(1)
                here, chosen, mask, left, said, running = (
                    part[kept] for part in (here, chosen, mask, left, said, running)
                )
                begun = begun if isinstance(begun, int) else begun[kept]
                cache = policy.select_rows(cache, kept, room=most)
            mask = torch.nn.functional.pad(mask, (0, 1), value=True)
            logits, cache = policy.next_logits(chosen.unsqueeze(1), mask, cache)
        if logits.isnan().any():
            raise RuntimeError("the policy's logits are NaN; its weights have diverged")
        drawn[here] = said
        self._keep(cache, mask, torch.arange(len(here), device=device), here, before + said)
        within = [ids[:count] for ids, count in zip(tokens[rows].tolist(), drawn[rows].tolist(), strict=True)]
        return self._replies(rows, budgets, within, logprobs[rows].tolist())

    def _keep(self, cache: Any, mask: Tensor, places: Tensor, here: Tensor, ends: Tensor) -> None:
        """Keep rows for their next turn, without what they drew behind its end.

        Args:
            cache: Of the batch.
            mask: ``(B', S)`` bool.
            places: ``(n,)`` int64, where the rows are in the batch.
            here: ``(B',)`` int64, their numbers.
            ends: ``(B',)`` int64, the column in which a row's last token of the turn will be.
        """
        if self._kept is None:
            return
        column = torch.arange(mask.shape[1], device=mask.device)
        read = mask[places] & (column < ends[places, None] - 1)
        self._kept.put(cache, places, here[places].tolist(), read)


_NOTHING = Reply([], [], "length")
# Reading what rows are given takes about as long as so many tokens of all rows, on a CPU (benchmarks/episodes.py).
_PATIENCE = 8
# Copying the keys and values of the rows that go on is worth it once a tenth of the rows has ended.
_WORTH_A_COPY = 0.9
