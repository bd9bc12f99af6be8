"""A few tokens that both sides score, after every loading: whether the weights arrived is measured, not believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rlframework.collect import assemble
from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy, eval_mode
from rlframework.prompt import Prompt
from rlframework.rewards.base import Scores
from rlframework.samplers.vllm.answer import Answered
from rlframework.samplers.vllm.errors import DisagreementError


class Scored(NamedTuple):
    """What a server sampled, and what the policy says of it.

    Args:
        request: What the server was asked, without the model.
        rows: What it answered.
        known: The policy's log-probabilities of the ids, row by row.
    """

    request: dict[str, Any]
    rows: list[Answered]
    known: list[list[float]]


def score(policy: Policy, prompt: Prompt, rows: Sequence[Answered], temperature: float) -> list[list[float]]:
    """Return the policy's log-probabilities of each row's ids, in one forward pass."""
    completions = Completions([Completion(prompt, row.ids, "", row.reason) for row in rows], group_size=len(rows))
    nothing = Scores(torch.zeros(1, len(rows)), {})
    rollout = assemble(completions, nothing, policy.pad_id, temperature).to(policy.device)
    with torch.no_grad(), eval_mode(policy):
        scored: Tensor = policy.logprobs(rollout).logprobs  # (B, T)
    return [values[: len(row.ids)] for values, row in zip(scored.float().tolist(), rows, strict=True)]


def compare(rows: Sequence[Answered], known: Sequence[Sequence[float]], tolerance: float, who: str) -> float:
    """Return the mean difference of the log-probabilities, in nats per token.

    Raises:
        DisagreementError: It is above the tolerance, or no number.

    Example:
        >>> compare([Answered([4, 1], [-0.5, -0.2], "stop")], [[-0.5, -0.4]], tolerance=0.2, who="it")
        0.1
    """
    gaps = [
        abs(theirs - ours)
        for row, scores in zip(rows, known, strict=True)
        for theirs, ours in zip(row.logprobs, scores, strict=True)
    ]
    mean = sum(gaps) / len(gaps)
    if not mean <= tolerance:
        raise DisagreementError(
            f"{who} was given the policy's weights, and its log-probabilities are not the policy's: off by {mean:.3g} "
            f"nats per token, {max(gaps):.3g} at most, over {len(gaps)} tokens; tolerance={tolerance:g}. Likely "
            "causes: the server was started without --logprobs-mode processed_logprobs; it serves another base model; "
            "its weights did not change (a model with tied embeddings on a CPU server, whose output layer keeps a "
            "copy: untie them, or train an adapter); or its precision is lower than the policy's, and then "
            "tolerance=... is the place to say how much is fine"
        )
    return mean


def compare_again(rows: Sequence[Answered], record: Scored, tolerance: float, who: str) -> float:
    """Compare what a server that came back answers to the same seeded request with what is known; no model is run.

    A near tie may send a row another way; it counts up to there.

    Raises:
        DisagreementError: As in `compare`; or no row begins as it did.
    """
    shared, known = [], []
    for row, before, scores in zip(rows, record.rows, record.known, strict=True):
        pairs = zip(row.ids, before.ids, strict=False)
        same = next((place for place, (now, then) in enumerate(pairs) if now != then), min(len(row.ids), len(scores)))
        if same:
            shared.append(Answered(row.ids[:same], row.logprobs[:same], row.reason))
            known.append(scores[:same])
    if not shared:
        raise DisagreementError(
            f"{who} came back and was given the policy's weights, and answers a request with the same seed otherwise "
            f"than before: {[row.ids[:4] for row in rows]} instead of {[row.ids[:4] for row in record.rows]}. Was it "
            "started with another model or other options?"
        )
    return compare(shared, known, tolerance, who)
