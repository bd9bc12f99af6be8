"""Canary: tokens that server and policy score after every loading, to measure whether the weights arrived."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy, eval_mode
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.samplers.vllm.answer import ServerCompletion
from rlframework.samplers.vllm.errors import DisagreementError

# Mean gaps, in nats per token. Two float32 implementations of one model differ by about 1e-6, and 16 bits on either
# side by 0.02 to 0.04 at the temperature of a canary (docs/vllm.md); one matrix that stays old makes 0.09 and more.
LARGEST = 0.05
_FINE, _ROUNDING = 1e-4, 1e-6
# How many rows a canary has: where rounding is seen, a fault is told from it by many tokens.
FEWEST, TOKENS = 4, 256
_FACTOR_FINE, _ERRORS, _FACTOR_ALTERED = 20.0, 8.0, 1.5


class Scored(NamedTuple):
    """Completions of a server, and the policy's log-probabilities of them.

    Args:
        request: The request to the server, without the model.
        rows: The completions it answered.
        known: The policy's log-probabilities of the ids, row by row.
    """

    request: dict[str, Any]
    rows: list[ServerCompletion]
    known: list[list[float]]


class Gap(NamedTuple):
    """Gap between a server's log-probabilities and the policy's.

    Args:
        mean: Nats per token.
        largest: Nats of the token that is farthest off.
        tokens: Tokens that were compared.

    Example:
        >>> Gap(1e-6, 4e-6, 64).fine, Gap(0.03, 0.2, 64).fine
        (True, False)
        >>> f"{Gap(1e-6, 4e-6, 64).alarm(64):.2g} {Gap(0.03, 0.2, 256).alarm(256):.2g}"
        '2e-05 0.045'
    """

    mean: float
    largest: float
    tokens: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} nats per token, {self.largest:.3g} at most, over {self.tokens} tokens"

    @property
    def fine(self) -> bool:
        """Whether both sides compute in float32; else one of them rounds to 16 bits."""
        return self.mean <= _FINE

    @property
    def kind(self) -> str:
        """Kind of gap in words: float32 on both sides, or rounding to 16 bits."""
        return "float32 on both sides" if self.fine else "rounding to 16 bits, if the server has the same weights"

    def alarm(self, tokens: int, altered: bool = False) -> float:
        """Return the mean gap from which on weights are not those of the policy, given this one of weights that are.

        Args:
            tokens: Over how many the other gap is.
            altered: Whether the weights were altered, which moves the answers much, and their rounding a little.
        """
        if self.fine:
            return _FACTOR_FINE * max(self.mean, _ROUNDING)
        # The relative standard error of a mean of rounding over n tokens is about 1.1 / sqrt(n), as measured.
        factor = 1 + _ERRORS / math.sqrt(min(self.tokens, tokens))
        return factor * self.mean * (_FACTOR_ALTERED if altered else 1.0)


class Canary:
    """One request, the same after every loading, so that its gaps can be compared.

    Args:
        prompt: The prompt.
        request: The request to a server, without the number of rows and the seed.
        seeds: For the policy's weights, and for altered ones.
        temperature: At which it samples; above that of the rollouts, where more tokens are likely and more is seen.
        budget: Tokens of a row.
    """

    def __init__(
        self, prompt: Prompt, request: dict[str, Any], seeds: tuple[int, int], temperature: float, budget: int
    ) -> None:
        self.prompt = prompt
        self.temperature = temperature
        self._request = request
        self._seeds = seeds
        self._budget = budget

    def request(self, rows: int, altered: bool = False) -> dict[str, Any]:
        """Return the request to a server, with its number of rows and seed.

        Args:
            rows: Completions to ask for.
            altered: Whether the weights are altered, which has a seed of its own.
        """
        return {**self._request, "n": rows, "seed": self._seeds[altered]}

    def rows(self, usual: Gap | None) -> int:
        """Return how many rows to ask for, given the usual gap."""
        return FEWEST if usual is not None and usual.fine else max(FEWEST, math.ceil(TOKENS / self._budget))

    def known(self, policy: Policy, rows: Sequence[ServerCompletion]) -> list[list[float]]:
        """Return the policy's log-probabilities of each row's ids.

        Args:
            policy: With the weights it has now.
            rows: Completions of the canary's prompt.
        """
        return score(policy, self.prompt, rows, self.temperature)


def score(policy: Policy, prompt: Prompt, rows: Sequence[ServerCompletion], temperature: float) -> list[list[float]]:
    """Return the policy's log-probabilities of each row's ids, in one forward pass.

    Args:
        policy: With the weights it has now.
        prompt: The prompt of all rows.
        rows: Its completions.
        temperature: Of the log-probabilities.
    """
    completions = Completions([Completion(prompt, row.ids, "", row.reason) for row in rows], group_size=len(rows))
    rollout = Rollout.of(completions, pad_id=policy.pad_id, temperature=temperature).to(policy.device)
    with torch.no_grad(), eval_mode(policy):
        scored: Tensor = policy.logprobs(rollout).logprobs  # (B, T)
    return [values[: len(row.ids)] for values, row in zip(scored.float().tolist(), rows, strict=True)]


def vocabulary(policy: Policy) -> int:
    """Return how many token ids the policy has, 0 included: those of its model, which may be more than its tokenizer's.

    What has no transformers model has the ids of its tokenizer.
    """
    config = getattr(getattr(policy, "model", None), "config", None)
    if config is not None:
        return int(config.get_text_config().vocab_size)
    return max(policy.tokenizer.get_vocab().values()) + 1


def measure(rows: Sequence[ServerCompletion], known: Sequence[Sequence[float]]) -> Gap:
    """Return the gap between a server's log-probabilities and the policy's, over all tokens of some rows.

    Args:
        rows: Completions with the server's log-probabilities.
        known: The policy's, row by row.

    Example:
        >>> str(measure([ServerCompletion([4, 1], [-0.5, -0.2], "stop")], [[-0.5, -0.4]]))
        '0.1 nats per token, 0.2 at most, over 2 tokens'
    """
    gaps = [
        abs(theirs - ours)
        for row, scores in zip(rows, known, strict=True)
        for theirs, ours in zip(row.logprobs, scores, strict=True)
    ]
    return Gap(sum(gaps) / len(gaps), max(gaps), len(gaps))


def check_gap(gap: Gap, limit: float, who: str, hint: str = "") -> None:
    """Refuse a server whose log-probabilities are not the policy's.

    Args:
        gap: Between the two.
        limit: The largest mean that is no fault.
        who: Address of the server.
        hint: The likeliest cause, and the way out.

    Raises:
        DisagreementError: The mean is above the limit, or no number.
    """
    if not gap.mean <= limit:
        raise DisagreementError(
            f"{who} was given the policy's weights, and its log-probabilities are not the policy's: off by {gap}; "
            f"tolerated are {limit:.3g}. {hint}Likely causes: weights that did not arrive, or only some of them; a "
            "server that was started without --logprobs-mode processed_logprobs, or serves another base model; or its "
            "precision is lower than 16 bits, and then tolerance=... is the place to say how much is fine"
        )


def shared(rows: Sequence[ServerCompletion], record: Scored) -> list[tuple[int, ServerCompletion, int]]:
    """Return the rows that begin as in a record: (index, the row up to there, tokens). A near tie turns a row.

    Args:
        rows: The completions answered now.
        record: The same request, before.
    """
    found = []
    for index, (row, before) in enumerate(zip(rows, record.rows, strict=True)):
        pairs = zip(row.ids, before.ids, strict=False)
        least = min(len(row.ids), len(before.ids))
        same = next((place for place, (now, then) in enumerate(pairs) if now != then), least)
        if same:
            found.append((index, ServerCompletion(row.ids[:same], row.logprobs[:same], row.reason), same))
    return found


def measure_again(rows: Sequence[ServerCompletion], record: Scored, who: str) -> Gap:
    """Return the gap of a server that came back, which answered the same seeded request; no model is run.

    Args:
        rows: The completions answered now.
        record: The same request, before.
        who: Address of the server, for messages.

    Raises:
        DisagreementError: No row begins as it did.
    """
    same = shared(rows, record)
    if not same:
        raise DisagreementError(
            f"{who} came back and was given the policy's weights, and answers a request with the same seed otherwise "
            f"than before: {[row.ids[:4] for row in rows]} instead of {[row.ids[:4] for row in record.rows]}. Was it "
            "started with another model or other options?"
        )
    return measure([row for _, row, _ in same], [record.known[index][:size] for index, _, size in same])


def check_moved(
    rows: Sequence[ServerCompletion], known: Sequence[Sequence[float]], record: Scored, gap: Gap, who: str
) -> None:
    """Refuse answers that are those of the weights before, where the policy's are not.

    New weights round otherwise in 16 bits: the answers of each token change by as much as rounding does, however little
    the weights changed. Weights that stayed do not. They are told by most tokens, not by all: a row that the server
    happens to compute in a batch of another size is rounded otherwise with the same weights, too. A token that is all
    but certain tells nothing, as there is next to nothing to round.

    Args:
        rows: The completions answered now.
        known: The policy's log-probabilities of them.
        record: The same request, before.
        gap: The usual one.
        who: Address of the server.

    Raises:
        DisagreementError: The server's log-probabilities stood still.
    """
    if gap.fine:
        return  # So exact that the gap itself tells.
    tokens = [
        (theirs, theirs_before, ours, ours_before)
        for index, row, size in shared(rows, record)
        for theirs, theirs_before, ours, ours_before in zip(
            row.logprobs, record.rows[index].logprobs, known[index][:size], record.known[index], strict=False
        )
        if abs(ours - ours_before) > _MOVED and theirs < _CERTAIN
    ]
    still = sum(math.isclose(now, then, rel_tol=_SAME) for now, then, _, _ in tokens)
    if len(tokens) >= _LEAST and still > _MOST * len(tokens):
        moved = sum(abs(now - then) for _, _, now, then in tokens) / len(tokens)
        raise DisagreementError(
            f"{who} was given new weights and answers as with those before: of {len(tokens)} tokens whose "
            f"log-probabilities the policy moved, by {moved:.3g} nats on average, the server's stayed exactly the same "
            f"at {still}, and rounding alone moves them by about {gap.mean:.3g}. The new weights did not arrive. Does "
            "the server read another folder than sync_folder, or an adapter from a cache?"
        )


# Above float32's own noise; the same number but for its last digits; the share of tokens that tells, and of how many.
_MOVED, _SAME, _MOST, _LEAST = 1e-5, 1e-6, 0.5, 8
_CERTAIN = -0.01
